"""Times: compared with other libraries, of stacks, and of the coursework's Table 4."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import peers, stacks
from benchmarks.contestants import REFERENCE
from benchmarks.contestants.ours import GPU
from benchmarks.gpu_round.findings import Findings, Surroundings
from benchmarks.measure import Measurement
from benchmarks.report import as_json, tables
from benchmarks.works import WORKS

OURS = ["xpmlp-cupy", "xpmlp-torch-gpu", "xpmlp-jax-gpu"]
OTHERS = ["torch-gpu", "jax-jit-gpu", "jax-scan-gpu", "keras-gpu"]
COMPILED = ["xpmlp-cupy", "torch-compile-gpu"]

LOSS_DIFFERENCE = 1e-3
"""Maximum difference of a stretch's losses from those on NumPy, max|a - b| / max|b|."""

WIDTHS = [5, 20, 80]
"""Numbers of runs in a stack, beside one run."""


def peers_small(findings: Findings, surroundings: Surroundings) -> None:
    """Measure steps bound by launches."""
    _peers(["batch-1", "batch-32"], [*OURS, *OTHERS], findings, surroundings)


def peers_large(findings: Findings, surroundings: Surroundings) -> None:
    """Measure steps bound by products."""
    _peers(["batch-256", "batch-1024", "deep"], [*OURS, *OTHERS], findings, surroundings)


def accuracy(findings: Findings, surroundings: Surroundings) -> None:
    """Measure the time to a validation accuracy."""
    _peers(["accuracy"], [*OURS, *OTHERS], findings, surroundings)


def grid(findings: Findings, surroundings: Surroundings) -> None:
    """Measure an epoch of Table 4: stacked, and one run after another."""
    _peers(["grid"], [*OURS, *OTHERS], findings, surroundings)


def torch_compile(findings: Findings, surroundings: Surroundings) -> None:
    """Measure the same steps by ``torch.compile``, which takes long to compile them."""
    _peers(["batch-1", "batch-32", "batch-256", "batch-1024", "deep"], COMPILED, findings, surroundings)


SMALL = {"accuracy": "digits-accuracy", "grid": "digits-grid"}
"""Works for a stand-in; others become ``digits``."""


def _peers(works: Sequence[str], contestants: Sequence[str], findings: Findings, surroundings: Surroundings) -> None:
    """Measure works, and record each as soon as it is measured."""
    arguments = ["--rounds", "3", "--seconds", "0.2"]
    if surroundings.stand_in:
        works = list(dict.fromkeys(SMALL.get(name, "digits") for name in works))
        contestants, arguments = ["xpmlp-cupy"], ["--rounds", "1", "--seconds", "0.001"]
    options = peers.parse([*arguments, "--works", ",".join(works), "--contestants", ",".join(contestants)])
    settings = {"rounds": options.rounds, "seconds": options.seconds}
    measured: list[Measurement] = []
    for one in peers.measured(options, options.threads[-1], last=True):
        measured.append(one)
        findings.tables.append("\n".join(tables([one])).strip())
        _judge(one, findings)
        findings.keep("peers", as_json({}, settings, measured)["measurements"])


def _judge(one: Measurement, findings: Findings) -> None:
    """Check that xpmlp took part and learned the same; another library may be missing."""
    for row in one.rows:
        title = f"{one.work.title}: {row.entry.title}"
        if row.problem is not None:
            (findings.fail if row.entry.is_ours else findings.miss)(f"{title}: {row.problem}")
        elif row.entry.is_ours and row.entry != REFERENCE and (difference := one.loss_difference(row)) is not None:
            sentence = f"{title}: losses differ from those on NumPy by {difference:.0e}."
            findings.judge(sentence, holds=difference <= LOSS_DIFFERENCE)


def stacks_of_runs(findings: Findings, surroundings: Surroundings) -> None:
    """Measure a step of one run and of stacks."""
    names, rounds = (["digits"], 1) if surroundings.stand_in else (stacks.BATCHES, 2)
    widths = WIDTHS[:1] if surroundings.stand_in else WIDTHS
    done = []
    for name in names:
        done.append(stacks.measured(WORKS[name], "cupy", GPU["cupy"], widths, rounds))
        findings.tables[:] = ["\n".join(stacks.table(done))]
        findings.keep("steps", [one.as_json() for one in done])
    findings.see(
        f"Steps of one run and of {', '.join(map(str, widths))} stacked were timed at {len(done)} batch sizes."
    )


def table_4(findings: Findings, surroundings: Surroundings) -> None:
    """Measure all runs of the coursework's Table 4, with its five epochs."""
    work, epochs = (WORKS["digits-grid"], 1) if surroundings.stand_in else (WORKS["grid"], stacks.EPOCHS)
    seconds, losses = stacks.table_4(work, "cupy", GPU["cupy"], epochs)
    findings.keep("table_4", {"runs": work.grid_size, "epochs": epochs, "seconds": seconds, "losses": losses})
    findings.see(f"{work.grid_size} runs of {epochs} epochs took {seconds:.1f} s, reading and starting included.")
    print(f"Table 4: {seconds:.1f} s", file=sys.stderr)

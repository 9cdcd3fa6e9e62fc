"""``xpmlp verify``: the parity of backends, printed as tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from xpmlp._files import refuse_overwriting
from xpmlp._text import counted
from xpmlp.backend import DTypeName
from xpmlp.cli.streams import console_on
from xpmlp.config import Config
from xpmlp.errors import VerificationError
from xpmlp.verify import (
    FILES,
    REFERENCE,
    Difference,
    Participant,
    Verification,
    check_folder,
    parse_candidates,
    verify,
    write_files,
)

FOOTNOTE = (
    "In parentheses: not judged, since in float32 rounding decides on which side of zero some relu units are; "
    "see docs/parity.md."
)


def run(config: Config, out: Path, *, backends: str, quiet: bool, **how: Any) -> int:
    """Verify, print the tables, and write the files.

    Parameters
    ----------
    config : Config
    out : Path
        The folder of the files.
    backends : str
        The argument of `xpmlp.verify.parse_candidates`.
    quiet : bool
    **how
        Further arguments of `xpmlp.verify.verify`.

    Returns
    -------
    exit_status : int
        0.

    Raises
    ------
    RunFolderError
        If the folder cannot be written to.
    VerificationError
        If something differs, after everything is printed and written.
    """
    refuse_overwriting([out / name for name in FILES], config.files)
    candidates = parse_candidates(backends)
    check_folder(out)
    console = console_on(sys.stdout, quiet=quiet, width=120)
    with console.status("") as status:
        result = verify(config, candidates, tell=status.update, **how)
    for part in report(result):
        console.print(part)
    for path in write_files(result, out, lambda text: console.print(text, markup=False, soft_wrap=True)):
        console.print(f"{path}", markup=False, soft_wrap=True)
    if result.failure is not None:
        raise VerificationError(result.failure)
    console.print("Verified: all judged differences are within their tolerances.")
    return 0


def report(result: Verification) -> Iterator[Table | Text]:
    """Lay out the result for printing: the trial, a table for each dtype, and further remarks."""
    trial = result.trial
    sizes, kinds = "-".join(map(str, trial.network.sizes)), dict.fromkeys(trial.network.hidden)
    yield Text(
        f"{trial.config.name}: {sizes}, {', '.join([*kinds, trial.network.loss.name])}, "
        f"{trial.config.train.optimizer}, {counted(trial.steps, 'step')} of "
        f"{counted(trial.batch_size, 'example')} of {trial.dataset.name}"
    )
    worst = max(max(pair) for pair in result.finite_differences)
    yield Text(f"the reference against finite differences of its loss: {worst:.1e}")
    for label, _, reason in result.unsupported:
        yield Text(f"{label} is verified in float32 only: {reason}")
    for dtype in dict.fromkeys(one.dtype for one in result.participants):
        yield Text(f"\n{dtype}: relative differences, max|a - b| / max|b|", style="italic")
        yield _table(result, dtype)
    if any(one.tolerance is None for one in result.differences):
        yield Text(FOOTNOTE, style="dim")


def _table(result: Verification, dtype: DTypeName) -> Table:
    """Build a table with rows by step and quantity in the order of computation, and a column for each backend."""
    participants = [one for one in result.participants if one.dtype == dtype]
    differences = [one for one in result.differences if one.dtype == dtype]
    labels = [one.label for one in participants]
    table = Table(box=None)
    table.add_column("", no_wrap=True)
    for label in (*labels, "allowed"):
        table.add_column(label, justify="right", no_wrap=True)
    bases = dict.fromkeys(one.base for one in differences)
    steps = dict.fromkeys(one.step for one in differences)
    for base in bases:
        among = [one for one in differences if one.base == base]
        for step in steps:
            section = [one for one in among if one.step == step]
            if base == REFERENCE and len(bases) > 1 and step > 1:
                _add_row(table, f"step {step} from the reference, the largest", labels, section)
                continue
            table.add_row(Text(f"step {step} from {'the reference' if base == REFERENCE else base}", style="bold"))
            for row in dict.fromkeys(one.quantity.row for one in section):
                _add_row(table, f"  {row}", labels, [one for one in section if one.quantity.row == row])
    table.add_row(Text("besides", style="bold"))
    table.add_row("  products are in", *map(_products, participants))
    table.add_row("  two runs, equal bits", *("yes" if one.repeatable else "no" for one in participants))
    return table


def _add_row(table: Table, name: str, labels: Sequence[str], differences: Sequence[Difference]) -> None:
    cells = [_cell([one for one in differences if one.backend == label]) for label in labels]
    allowed = {one.tolerance for one in differences if one.tolerance is not None}
    table.add_row(name, *cells, f"{min(allowed):.1e}" if allowed else "-")


def _cell(differences: Sequence[Difference]) -> Text:
    """Format the largest difference: red with a mark if one is too large, in parentheses if none is judged."""
    if not differences:
        return Text("-", style="dim")
    value = max((one.value for one in differences), key=lambda value: (math.isnan(value), value))
    if not all(one.passed for one in differences):
        return Text(f"✗ {value:.1e}", style="bold red")
    shown = f"{value:.1e}" if value else "0"
    if all(one.tolerance is None for one in differences):
        return Text(f"({shown})", style="dim")
    return Text(shown, style="green")


def _products(participant: Participant) -> str:
    allowed = "TF32 allowed" if participant.tf32 else participant.dtype
    return allowed if participant.full_products else f"less: {participant.product_error:.0e}"

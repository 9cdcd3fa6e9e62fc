"""Table 4: four learning rates with batches of one, several runs each."""

from __future__ import annotations

from typing import Any

from xpmlp.report import coursework
from xpmlp.report.comparison import NOT_COMPARABLE, Comparison, at_least, at_most, spread
from xpmlp.report.demands import CLASSES, LEARNING_RATES, VALIDATION
from xpmlp.report.document import Block, Inline, Paragraph, Picture, Table
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.report.parts.training import RUN, divergence, train_runs
from xpmlp.report.words import counted, duration


def compute(work: Work) -> dict[str, Any]:
    """Train the grid, and find the learning rate with the lowest mean validation loss."""
    result = train_runs(work, work.settings)
    lines = [
        {
            "learning_rate": summary.point["learning_rate"],
            "runs": summary.runs,
            "diverged": summary.diverged,
            "loss": list(summary.figures["validation_loss"]),
            "accuracy": list(summary.figures["validation_accuracy"]),
        }
        for summary in result.summaries
        if summary.figures
    ]
    if not lines:
        raise divergence(work, "every run of Table 4")
    write_csv(
        work.folder / "table4.csv",
        [
            "learning_rate",
            *(
                f"{whose}_{figure}_{part}"
                for whose in ("coursework", "this_run")
                for figure in ("loss", "accuracy")
                for part in ("mean", "std")
            ),
            "runs",
        ],
        [
            (
                line["learning_rate"],
                *_printed(line["learning_rate"]).loss,
                *_printed(line["learning_rate"]).accuracy,
                *line["loss"],
                *line["accuracy"],
                line["runs"],
            )
            for line in lines
        ],
    )
    best = min(lines, key=lambda line: float(line["loss"][0]))
    train = work.settings.train
    return {
        "lines": lines,
        "best": best["learning_rate"],
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "runs": len(result.runs),
        "diverged": sum(summary.diverged for summary in result.summaries),
        "steps": sum(run.steps for run in result.runs),
    }


def _printed(learning_rate: float) -> coursework.Line:
    """The coursework's line for a learning rate; without figures where it has none."""
    nothing = coursework.Spread(None, None)
    lines = {line.learning_rate: line for line in coursework.TABLE_4}
    return lines.get(learning_rate, coursework.Line(learning_rate, nothing, nothing))


def show(done: Done, quick: bool) -> Shown:
    """The table, and the same as a figure."""
    from xpmlp import plots

    found = done.results
    rows: list[tuple[Inline, ...]] = []
    comparisons = []
    for line in found["lines"]:
        rate = line["learning_rate"]
        expected = _printed(rate)
        for figure, theirs, ours, judge in (
            ("loss", expected.loss, line["loss"], at_most),
            ("accuracy", expected.accuracy, line["accuracy"], at_least),
        ):
            verdict = NOT_COMPARABLE if quick or theirs.mean is None else judge(ours[0], theirs.mean)
            texts = spread(*theirs), spread(*ours)
            rows.append((f"{rate:g}", figure, *texts, verdict))
            comparisons.append(Comparison("Table 4", f"validation {figure}, rate {rate:g}", *texts, verdict))
    stem = done.folder / "table4"
    lines = [(line["learning_rate"], tuple(line["loss"]), tuple(line["accuracy"])) for line in found["lines"]]
    plots.draw(
        stem, lambda: plots.learning_rates_figure(lines, coursework.TABLE_4), "Table 4: validation by learning rate"
    )
    sources = [done.source("table4.csv"), done.source(f"{RUN}/summary.csv"), done.source(f"{RUN}/epochs.csv")]
    speed = found["steps"] / done.seconds
    blocks: list[Block] = [
        Paragraph(
            f"{counted(found['runs'], 'run')} of {counted(found['epochs'], 'epoch')} with batches of "
            f"{found['batch_size']}: {found['steps']:,} steps in {duration(done.seconds)}, {speed:,.0f} a second. The "
            "best mean "
            f"validation loss is that of learning rate {found['best']:g}.{_left_out(found['diverged'])}"
        ),
        Table(
            ("learning rate", "validation", "coursework", "this run", "verdict"),
            rows,
            "Table 4. Validation loss and accuracy after the last epoch: mean ± standard deviation over the runs (of "
            "the sample, divided by n − 1).",
            sources,
            numeric=frozenset({0, 2, 3}),
        ),
        Picture(
            stem,
            "Validation loss and accuracy by learning rate, this run's beside the coursework's",
            "Table 4 as a figure. The bars are one standard deviation each way.",
            [sources[0]],
        ),
    ]
    return Shown(blocks, comparisons)


def _left_out(diverged: int) -> str:
    return f" {counted(diverged, 'run')} diverged and {'is' if diverged == 1 else 'are'} left out." if diverged else ""


PART = Part(
    "table4",
    "Table 4: learning rates",
    compute,
    show,
    config="table4",
    demands=(LEARNING_RATES, VALIDATION, CLASSES),
    quick={"data.name": "digits", "train.epochs": 1, "grid.runs": 2, "grid.workers": 1},
)

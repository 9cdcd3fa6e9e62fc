"""Table 4: four learning rates with batches of one, several runs each."""

from __future__ import annotations

from typing import Any

from xpmlp import plots
from xpmlp._text import counted
from xpmlp.report import coursework
from xpmlp.report.comparison import NOT_COMPARABLE, Comparison, at_least, at_most, judged, spread
from xpmlp.report.demands import CLASSES, LEARNING_RATES, VALIDATION
from xpmlp.report.document import Inline
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts.training import divergence, train_runs

FIGURES = ("loss", "accuracy")


def compute(work: PartInputs) -> dict[str, Any]:
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
    columns = [
        f"{who}_{name}_{part}" for who in ("coursework", "this_run") for name in FIGURES for part in ("mean", "std")
    ]
    work.write(
        "table4.csv",
        ["learning_rate", *columns, "runs"],
        [
            (line["learning_rate"], *theirs.loss, *theirs.accuracy, *line["loss"], *line["accuracy"], line["runs"])
            for line, theirs in ((line, _printed(line["learning_rate"])) for line in lines)
        ],
    )
    best = min(lines, key=lambda line: float(line["loss"][0]))
    return {
        "lines": lines,
        "best": best["learning_rate"],
        "runs": len(result.runs),
        "diverged": sum(summary.diverged for summary in result.summaries),
        "steps": sum(run.steps for run in result.runs),
    }


def _printed(learning_rate: float) -> coursework.Line:
    """Return the coursework's line for a learning rate, without figures if it has none."""
    nothing = coursework.Spread(None, None)
    lines = {line.learning_rate: line for line in coursework.TABLE_4}
    return lines.get(learning_rate, coursework.Line(learning_rate, nothing, nothing))


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the table, and the same as a figure."""
    rows: list[tuple[Inline, ...]] = []
    comparisons, points = [], []
    for line in done.results["lines"]:
        rate, theirs = line["learning_rate"], _printed(line["learning_rate"])
        points.append((rate, tuple(line["loss"]), tuple(line["accuracy"])))
        for name, printed, judge in zip(FIGURES, theirs[1:], (at_most, at_least), strict=True):
            verdict = NOT_COMPARABLE if printed.mean is None else judged(judge(line[name][0], printed.mean), quick)
            texts = spread(*printed), spread(*line[name])
            rows.append((f"{rate:g}", name, *texts, verdict))
            comparisons.append(Comparison("Table 4", f"validation {name}, rate {rate:g}", *texts, verdict))
    speed, left_out = done.results["steps"] / done.seconds, _left_out(done.results["diverged"])
    values = {"seconds": done.seconds, "speed": speed, "left_out": left_out}
    figures = {"table4": lambda: plots.learning_rates_figure(points, coursework.TABLE_4)}
    return PartContents(done.blocks(values, {"lines": rows}, figures), comparisons)


def _left_out(diverged: int) -> str:
    return f" {counted(diverged, 'run')} diverged and {'is' if diverged == 1 else 'are'} left out." if diverged else ""


PART = ReportPart(
    "table4",
    "Table 4: learning rates",
    compute,
    show,
    config="table4",
    demands=(LEARNING_RATES, VALIDATION, CLASSES),
    quick={"data.name": "digits", "train.epochs": 1, "grid.runs": 2, "grid.workers": 1},
)

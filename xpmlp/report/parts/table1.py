"""Table 1: the derivatives of the 2-3-2 network, in plain Python."""

from __future__ import annotations

from typing import Any

from xpmlp import scalar
from xpmlp.report import coursework
from xpmlp.report.comparison import Comparison, same
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart

NETWORK = scalar.Network(
    hidden=scalar.Layer([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]], [0.0, 0.0, 0.0]),
    output=scalar.Layer([[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]], [0.0, 0.0]),
)
X, TARGET = [1.0, -1.0], 0


def compute(work: PartInputs) -> dict[str, Any]:
    """Compute the derivatives of the coursework's network."""
    gradient = scalar.gradients(NETWORK, X, TARGET)
    derivatives = {
        "dW": gradient.hidden.weights,
        "db": [gradient.hidden.biases],
        "dV": gradient.output.weights,
        "dc": [gradient.output.biases],
    }
    work.write(
        "derivatives.csv",
        ("derivative", "row", "column", "coursework", "this_run"),
        [
            (name, row, column, coursework.TABLE_1[name][row][column], value)
            for name, rows in derivatives.items()
            for row, values in enumerate(rows)
            for column, value in enumerate(values)
        ],
    )
    return {"derivatives": derivatives}


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the derivatives beside the printed ones."""
    rows, comparisons = [], []
    for name, found in done.results["derivatives"].items():
        printed = coursework.TABLE_1[name]
        verdict = same([[round(value, 4) for value in row] for row in found] == printed)
        rows.append((name, _shape(found), _text(printed), _text(found), verdict))
        comparisons.append(Comparison("Table 1", name, _text(printed), _text(found), verdict))
    return PartContents(done.blocks({}, {"derivatives": rows}), comparisons)


def _shape(rows: list[list[float]]) -> str:
    return f"({len(rows)}, {len(rows[0])})" if len(rows) > 1 else f"({len(rows[0])},)"


def _text(rows: list[list[float]]) -> str:
    """Format rows in brackets, equal rows once; "all 0" if all values are zero."""
    if not any(value for row in rows for value in row):
        return "all 0"
    one = ["(" + ", ".join(f"{round(value, 4):g}".replace("-", "−") for value in row) + ")" for row in rows]
    return f"{one[0]}, {len(one)} times" if len(one) > 1 and len(set(one)) == 1 else ", ".join(one)


PART = ReportPart("table1", "Table 1: the 2-3-2 network by hand", compute, show)

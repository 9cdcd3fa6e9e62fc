"""Table 1: the derivatives of the 2-3-2 network, in plain Python."""

from __future__ import annotations

from typing import Any

from xpmlp import scalar
from xpmlp.report import coursework
from xpmlp.report.comparison import Comparison, same
from xpmlp.report.document import Block, Paragraph, Table
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import Done, Part, Shown, Work

NETWORK = scalar.Network(
    hidden=scalar.Layer([[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]], [0.0, 0.0, 0.0]),
    output=scalar.Layer([[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]], [0.0, 0.0]),
)
X, TARGET = [1.0, -1.0], 0


def compute(work: Work) -> dict[str, Any]:
    """Derive the coursework's network."""
    gradient = scalar.gradients(NETWORK, X, TARGET)
    derivatives = {
        "dW": gradient.hidden.weights,
        "db": [gradient.hidden.biases],
        "dV": gradient.output.weights,
        "dc": [gradient.output.biases],
    }
    write_csv(
        work.folder / "derivatives.csv",
        ("derivative", "row", "column", "coursework", "this_run"),
        [
            (name, row, column, coursework.TABLE_1[name][row][column], value)
            for name, rows in derivatives.items()
            for row, values in enumerate(rows)
            for column, value in enumerate(values)
        ],
    )
    return {"derivatives": derivatives}


def show(done: Done, quick: bool) -> Shown:
    """The derivatives beside the printed ones."""
    derivatives: dict[str, list[list[float]]] = done.results["derivatives"]
    verdicts = {
        name: same([[round(value, 4) for value in row] for row in rows] == coursework.TABLE_1[name])
        for name, rows in derivatives.items()
    }
    table = [
        (name, _shape(rows), _text(coursework.TABLE_1[name]), _text(rows), verdicts[name])
        for name, rows in derivatives.items()
    ]
    blocks: list[Block] = [
        Paragraph(
            "One example, x = (1, −1) of class 0, through the network whose weights are all 1 or −1, by loops over "
            "Python's own numbers. The derivatives of the first layer are zero because both columns of V are equal: "
            "whatever is wrong behind that point is multiplied by zero, so that this network cannot show it."
        ),
        Table(
            ("derivative", "shape", "coursework", "this run", "verdict"),
            table,
            "Table 1. The derivatives of the loss, row by row.",
            [done.source("derivatives.csv")],
        ),
    ]
    comparisons = [
        Comparison("Table 1", name, _text(coursework.TABLE_1[name]), _text(rows), verdicts[name])
        for name, rows in derivatives.items()
    ]
    return Shown(blocks, comparisons)


def _shape(rows: list[list[float]]) -> str:
    return f"({len(rows)}, {len(rows[0])})" if len(rows) > 1 else f"({len(rows[0])},)"


def _text(rows: list[list[float]]) -> str:
    """Rows in brackets; equal rows once, all zeros as one."""
    if not any(value for row in rows for value in row):
        return "all 0"
    one = ["(" + ", ".join(f"{round(value, 4):g}".replace("-", "−") for value in row) + ")" for row in rows]
    return f"{one[0]}, {len(one)} times" if len(one) > 1 and len(set(one)) == 1 else ", ".join(one)


PART = Part("table1", "Table 1: the 2-3-2 network by hand", compute, show)

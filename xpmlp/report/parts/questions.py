"""Questions 1 and 2: the derivatives, with each formula compared with a difference quotient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from xpmlp import scalar
from xpmlp.report.comparison import Comparison, within
from xpmlp.report.document import Maths, Verdict
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart

TOLERANCE = 1e-8
"""Maximum difference between a formula and its difference quotient, due to rounding in float64."""

STEP = 1e-5

# No two widths are equal and no gradient is zero, so that no mistake can hide; docs/gradients.md computes it by hand.
NETWORK = scalar.Network(
    hidden=scalar.Layer([[0.4, -0.7], [-0.3, 0.2], [0.9, 0.5]], [0.1, -0.2]),
    output=scalar.Layer([[0.6, -0.4, 0.3, -0.1], [-0.8, 0.5, 0.2, 0.7]], [0.05, 0.0, -0.15, 0.2]),
)
X, TARGET = [0.5, -1.0, 2.0], 2

Numbers = list[float]


def softmax(o: Numbers) -> Numbers:
    """Return the probabilities of the classes."""
    exponentials = [math.exp(o_k) for o_k in o]
    return [exponential / sum(exponentials) for exponential in exponentials]


def quotients(function: Callable[[], float], variables: Numbers) -> Numbers:
    """Compute the derivative of ``function``, which reads ``variables``, by each of them, by central differences."""
    derivatives = []
    for index, value in enumerate(variables):
        variables[index] = value + STEP
        above = function()
        variables[index] = value - STEP
        below = function()
        variables[index] = value
        derivatives.append((above - below) / (2 * STEP))
    return derivatives


def difference(formula: Numbers, expected: Numbers) -> float:
    """Return the largest difference between two lists of numbers."""
    return max(abs(a - b) for a, b in zip(formula, expected, strict=True))


def compute(work: PartInputs) -> dict[str, Any]:
    """Compare each formula with its difference quotient, in float64."""
    checks = [
        {"formula": formula, "question": question, "numbers": len(analytic), "difference": difference(analytic, found)}
        for question, formula, analytic, found in _checks()
    ]
    _, o = scalar.forward(NETWORK, X)
    y = softmax(o)
    turned_round = [(k == TARGET) - y_k for k, y_k in enumerate(y)]
    printed = difference(turned_round, quotients(lambda: scalar.softmax_cross_entropy(o, TARGET)[0], o))
    work.write(
        "checks.csv",
        ("question", "formula", "numbers", "largest_difference"),
        [
            *((check["question"], check["formula"], check["numbers"], check["difference"]) for check in checks),
            ("2", "with the sign of Eq. 3 as printed: [i = c] - y_i", len(y), printed),
        ],
    )
    return {"checks": checks, "eq3_as_printed": printed}


def _checks() -> list[tuple[str, str, Numbers, Numbers]]:
    """List the question, the formula, its values, and the difference quotients in the same order."""
    h, o = scalar.forward(NETWORK, X)
    y, classes = softmax(o), range(len(o))
    t = [float(k == TARGET) for k in classes]
    by_y = [-t_i / y_i for t_i, y_i in zip(t, y, strict=True)]
    jacobian = [[y[i] * ((i == j) - y[j]) for j in classes] for i in classes]
    by_o = [y_i - t_i for y_i, t_i in zip(y, t, strict=True)]
    product = [sum(by_y[i] * jacobian[i][j] for i in classes) for j in classes]
    gradient = scalar.gradients(NETWORK, X, TARGET)

    def loss() -> float:
        return scalar.loss(NETWORK, X, TARGET)

    def by(rows: list[Numbers]) -> Numbers:
        return [derivative for row in rows for derivative in quotients(loss, row)]

    loss_by_o = quotients(lambda: scalar.softmax_cross_entropy(o, TARGET)[0], o)
    softmax_by_o = [value for i in classes for value in quotients(lambda: softmax(o)[i], o)]  # noqa: B023  (used at once)
    by_h = quotients(lambda: scalar.softmax_cross_entropy(scalar.affine(h, NETWORK.output), TARGET)[0], h)
    chained = [sum(by_o[k] * row[k] for k in classes) for row in NETWORK.output.weights]
    return [
        ("1", "∂ℓ/∂y_i = −[i = c] / y_i", by_y, quotients(lambda: -math.log(y[TARGET]), y)),
        ("1", "∂y_i/∂o_j = y_i ([i = j] − y_j)", [value for row in jacobian for value in row], softmax_by_o),
        ("2", "∂ℓ/∂o_i = y_i − [i = c]", by_o, loss_by_o),
        ("2", "∂ℓ/∂o_j = Σ_i ∂ℓ/∂y_i ∂y_i/∂o_j, the product of the two", product, loss_by_o),
        ("next", "∂ℓ/∂V_{jk} = h_j ∂ℓ/∂o_k", _flat(gradient.output.weights), by(NETWORK.output.weights)),
        ("next", "∂ℓ/∂c_k = ∂ℓ/∂o_k", gradient.output.biases, by([NETWORK.output.biases])),
        ("next", "∂ℓ/∂h_j = Σ_k ∂ℓ/∂o_k V_{jk}", chained, by_h),
        ("next", "∂ℓ/∂W_{ij} = x_i ∂ℓ/∂k_j", _flat(gradient.hidden.weights), by(NETWORK.hidden.weights)),
        ("next", "∂ℓ/∂b_j = ∂ℓ/∂k_j = ∂ℓ/∂h_j h_j (1 − h_j)", gradient.hidden.biases, by([NETWORK.hidden.biases])),
    ]


def _flat(rows: list[Numbers]) -> Numbers:
    return [value for row in rows for value in row]


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the derivation in short, and the checks."""
    checks, printed = done.results["checks"], done.results["eq3_as_printed"]
    found = {check["formula"]: check["difference"] for check in checks}
    rows = [
        (check["question"], Maths(check["formula"]), f"{one:.1e}", within(one, TOLERANCE))
        for check, one in zip(checks, found.values(), strict=True)
    ]
    holds = found["∂ℓ/∂o_i = y_i − [i = c]"] <= TOLERANCE < printed
    verdict = Verdict("sign corrected", True) if holds else Verdict("not confirmed", False)
    return PartContents(
        done.blocks({"tolerance": TOLERANCE}, {"checks": rows}),
        [Comparison("Question 2", "∂ℓ/∂o_i (Eq. 3)", "[i = c] − y_i", "y_i − [i = c]", verdict)],
    )


PART = ReportPart("questions", "Questions 1 and 2: the derivatives", compute, show, aliases=("question1", "question2"))

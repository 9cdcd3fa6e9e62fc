"""The derivatives: correct formulas pass, a wrong sign does not, and Table 1 is the coursework's."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from xpmlp.report import Report
from xpmlp.report.coursework import TABLE_1
from xpmlp.report.part import PartInputs
from xpmlp.report.parts import questions, table1
from xpmlp.report.parts.questions import TOLERANCE, quotients, softmax


def test_difference_quotients_are_derivatives_and_leave_the_variables_alone() -> None:
    x = [2.0, -3.0]
    assert quotients(lambda: x[0] ** 3 + 5 * x[0] * x[1], x) == pytest.approx([3 * 4 + 5 * -3, 5 * 2], rel=1e-8)
    assert x == [2.0, -3.0]


def test_softmax_by_hand() -> None:
    assert softmax([0.0, 0.0]) == [0.5, 0.5]


def test_every_formula_holds_and_the_printed_sign_does_not(quick: Report) -> None:
    results = quick.done["questions"].results
    assert len(results["checks"]) == 9
    assert max(check["difference"] for check in results["checks"]) <= TOLERANCE
    assert results["eq3_as_printed"] > 1  # twice the largest y_i - t_i
    (eq3,) = (one for one in quick.comparisons if "Eq. 3" in one.figure)
    assert eq3.verdict == ("sign corrected", True)


def test_a_wrong_formula_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = questions._checks()
    wrong = [(question, formula, [-value for value in found], expected) for question, formula, found, expected in right]
    monkeypatch.setattr(questions, "_checks", lambda: wrong)
    results = questions.compute(PartInputs(tmp_path, None, False))
    assert min(check["difference"] for check in results["checks"]) > 0.01


def test_table_1_is_the_courseworks(quick: Report, folder: Path) -> None:
    verdicts = {one.figure: one.verdict.holds for one in quick.comparisons if one.item == "Table 1"}
    assert verdicts == {"dW": True, "db": True, "dV": True, "dc": True}
    with (folder / "table1" / "derivatives.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 + 3 + 3 * 2 + 2
    for row in rows:
        printed = TABLE_1[row["derivative"]][int(row["row"])][int(row["column"])]
        assert float(row["coursework"]) == printed
        assert float(row["this_run"]) == pytest.approx(printed, abs=5e-5)


def test_a_different_derivative_is_called_different(quick: Report) -> None:
    done = quick.done["table1"]
    derivatives = {**done.results["derivatives"], "dc": [[-0.5, 0.4]]}
    shown = table1.show(done._replace(results={"derivatives": derivatives}), quick=False)
    assert [one.verdict.holds for one in shown.comparisons] == [True, True, True, False]

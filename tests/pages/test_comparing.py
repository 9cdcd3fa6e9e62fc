"""Comparisons of runs: the tests against independent computations, and the remarks on runs."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.digits import digits_config
from xpmlp.errors import RunFolderError, XpmlpError
from xpmlp.pages import compare, write_comparison
from xpmlp.pages.comparing import names_of
from xpmlp.pages.material import read_facts
from xpmlp.pages.measures import Measure, intervals
from xpmlp.pages.paired import holm, paired, sign_flips

Runs = Callable[[str], Path]


def test_flipped_signs_give_the_share_of_all_signs() -> None:
    rng = np.random.default_rng(0)
    differences, weights = rng.normal(0.4, 1, (11, 3)), rng.integers(1, 4, 11).astype(float)
    weighted = differences * weights[:, None]
    sums = np.array(list(itertools.product((-1, 1), repeat=11))) @ weighted
    exact = (np.abs(sums) >= np.abs(weighted.sum(axis=0)) - 1e-12).mean(axis=0)
    np.testing.assert_allclose(sign_flips(differences, weights), exact, atol=0.03)


def test_of_right_and_wrong_answers_it_is_mcnemars_test() -> None:
    stats = pytest.importorskip("scipy.stats", reason="SciPy is the oracle")
    differences = np.repeat([1.0, -1.0, 0.0], [17, 6, 300])[:, None]
    exact = stats.binomtest(6, 23).pvalue
    np.testing.assert_allclose(sign_flips(differences, np.ones(323)), exact, atol=0.012)


def test_equals_are_not_told_apart() -> None:
    same = Measure("accuracy", np.array([0.0, 1, 1]), higher=True)
    (one,) = paired(same, [same], np.ones(3))
    assert (one.difference, one.low, one.high, one.p, one.verdict) == (0, 0, 0, 1, "not told apart")


def test_p_values_are_adjusted_by_holm() -> None:
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03, 0.9])), [0.09, 0.04, 0.09, 0.9])


def test_intervals_are_those_of_a_weighted_mean() -> None:
    rng = np.random.default_rng(2)
    values, weights = rng.exponential(3, 4_000), np.repeat([1.0, 0.0], 2_000)
    told = intervals([Measure("plain", values), Measure("root", values, root=True)], weights)
    middle, half = values[:2_000].mean(), 1.96 * values[:2_000].std() / np.sqrt(2_000)
    np.testing.assert_allclose(told[0], [middle, middle - half, middle + half], atol=0.2 * half)
    np.testing.assert_allclose(np.square(told[1]), told[0], rtol=1e-6)  # quantiles are interpolated


def test_runs_are_held_against_the_first_on_the_same_examples(runs: Runs, tmp_path: Path) -> None:
    found = compare([runs("digits"), runs("narrow")])
    assert (found.split, found.examples, found.notes) == ("test", 360, [])  # other rows validate, the same ones test
    assert [key for key, _ in found.differing] == ["data.validation_size", "model.hidden_layer_sizes"]
    assert found.differing[1][1] == ["[16]", "[4]"]
    evaluated = xpmlp.evaluate(runs("narrow"), "test").score.value
    assert found.runs[1].intervals[0][0] == pytest.approx(evaluated, abs=1e-6)
    (name, accuracy), (_, loss) = (test.results[0] for test in found.tests)
    assert (name, accuracy.verdict, loss.verdict) == ("narrow", "worse", "worse")
    assert accuracy.difference == pytest.approx(
        evaluated - xpmlp.evaluate(runs("digits"), "test").score.value, abs=1e-6
    )
    write_comparison(found, tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="(\w+)">', page) == ["differing", "scores", "tests", "curves"]
    assert page.count("<polyline") == 4


def test_runs_that_were_judged_otherwise_are_named_and_not_tested(runs: Runs) -> None:
    found = compare([runs("digits"), runs("reseeded"), runs("pets")])
    assert found.tests == []
    assert [note.partition(": ")[2] for note in found.notes] == [
        "its test part has other examples.",
        "it predicts something else.",
    ]
    assert all(len(one.measures) == 2 for one in found.runs)


def test_a_run_without_its_data_has_no_scores(runs: Runs, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs("price"), tmp_path / "moved"))
    config = (run / "config.toml").read_text(encoding="utf-8")
    (run / "config.toml").write_text(config.replace("pets.csv", "gone.csv"), encoding="utf-8")
    found = compare([runs("price"), run])
    assert [len(one.measures) for one in found.runs] == [3, 0]
    assert "moved has no scores here" in found.notes[0]
    assert ("data.path", ["pets.csv", "gone.csv"]) in found.differing


@pytest.mark.slow
def test_of_a_grid_the_best_run_comes_first(tmp_path: Path) -> None:
    axes = {"grid.learning_rate": [0.0001, 0.01, 0.001], "backend.fused": False}
    xpmlp.train_grid(digits_config(axes), tmp_path / "grid")
    found = compare([tmp_path / "grid"])
    assert [one.name for one in found.runs] == ["1", "0", "2"]
    assert [key for key, _ in found.differing] == ["train.learning_rate"]
    assert [name for name, _ in found.tests[0].results] == ["0", "2"]


def test_what_cannot_be_compared_is_refused(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(XpmlpError, match="is one run: give two or more"):
        compare([runs("digits")])
    with pytest.raises(XpmlpError, match="is given twice"):
        compare([runs("digits"), runs("digits") / ".." / "digits"])
    with pytest.raises(XpmlpError, match="is not a run folder"):
        compare([runs("digits"), tmp_path])


def test_names_are_as_short_as_tells_runs_apart() -> None:
    assert names_of([Path("a/runs/x"), Path("b/runs/x")]) == ["a/x", "b/x"]
    assert names_of([Path("a/x"), Path("a/grid/runs/3")]) == ["x", "3"]


def test_names_and_settings_are_text(runs: Runs, tmp_path: Path) -> None:
    hostile = "<script>alert('1')<⁄script>\"\u202e"
    run = Path(shutil.copytree(runs("pets"), tmp_path / hostile))
    config = (run / "config.toml").read_text(encoding="utf-8")
    long = "<img>" * 2_000
    (run / "config.toml").write_text(config.replace("drop = [", f'drop = ["{long}", '), encoding="utf-8")
    found = compare([run, runs("pets")])
    assert any(key == "data.drop" and len(values[0]) < 70 for key, values in found.differing)
    write_comparison(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<img>" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {"data": None},
        {"data": {"sha256": {"d.csv": 1}}},
        {"versions": "1.0"},
        {"seconds": {"training": "long"}},
        {"seconds": {"training": 1e999}},
        {"run": -1},
    ],
)
def test_facts_of_other_types_are_damage(tmp_path: Path, facts: Any) -> None:
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RunFolderError, match=r"run\.json is damaged: train again"):
        read_facts(tmp_path)

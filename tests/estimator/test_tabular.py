"""`TabularClassifier` and `TabularRegressor`, as used with a data frame."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from xpmlp import TabularClassifier, TabularRegressor
from xpmlp.errors import DataError

SHORT = {"train.epochs": 20, "train.batch_size": 32, "backend.threads": 1, "backend.fused": False}

WEIGHTS = "a part of the rows is held out, so that weights and repeated rows differ"


def _expected(estimator: Any) -> dict[str, str]:
    return {
        "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
        "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
    }


@pytest.mark.slow  # some hundred trainings
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [TabularClassifier(folds=2, settings=SHORT), TabularRegressor(folds=2, settings=SHORT | {"train.epochs": 60})],
    expected_failed_checks=_expected,
)
def test_conforms(estimator: Any, check: Any) -> None:
    check(estimator)


def table(n: int = 300) -> tuple[pd.DataFrame, Any, Any]:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": random.normal(size=n),
            "c": random.choice(["u", "v", "w"], n),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 500, n), unit="D"),
        },
        index=random.permutation(n),
    )
    values = 1e6 * (frame["a"] + (frame["c"] == "u"))
    frame.iloc[::20, 0] = np.nan
    return frame, np.where(values > 3e5, "yes", "no"), values


@pytest.fixture(scope="module")
def fitted() -> TabularClassifier:
    frame, labels, _ = table()
    return TabularClassifier(random_state=0, settings=SHORT).fit(frame, labels)


def test_learns_and_predicts_each_row_by_itself(fitted: TabularClassifier) -> None:
    frame, labels, _ = table()
    assert fitted.score(frame, labels) > 0.9
    assert fitted.classes_.tolist() == ["no", "yes"]
    assert fitted.feature_names_in_.tolist() == ["a", "c", "when"]
    assert [column.kind for column in fitted.encoder_.schema_.columns] == ["number", "category", "date"]
    whole = fitted.predict_proba(frame)
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(frame[:1]), whole[:1], rtol=1e-7)
    turned = pl.from_pandas(frame[["when", "c", "a"]].reset_index(drop=True))
    np.testing.assert_allclose(fitted.predict_proba(turned), whole, rtol=1e-7)


def test_saved_without_pickle_and_with(fitted: TabularClassifier, tmp_path: Path) -> None:
    frame, _, _ = table()
    fitted.save(tmp_path / "model")
    for again in (TabularClassifier.load(tmp_path / "model"), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
        assert again.get_params() == fitted.get_params()
    with pytest.raises(DataError, match="holds a TabularClassifier"):
        TabularRegressor.load(tmp_path / "model")
    with pytest.raises(DataError, match="no estimator"):
        TabularClassifier.load(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.9, {"yes": 9}])
def test_a_threshold_chooses(threshold: Any, fitted: TabularClassifier, tmp_path: Path) -> None:
    frame, labels, _ = table()
    model = clone(fitted).set_params(threshold=threshold, settings=SHORT | {"train.epochs": 2}).fit(frame, labels)
    probability = model.predict_proba(frame)[:, 1]
    expected = probability > 0.9 if threshold == 0.9 else 9 * probability > 1 - probability
    model.save(tmp_path / "model")
    for one in (model, TabularClassifier.load(tmp_path / "model")):
        np.testing.assert_array_equal(one.predict(frame) == "yes", expected)
    with pytest.raises(ValueError, match="a cost for 'maybe', which is no class"):
        clone(fitted).set_params(threshold={"maybe": 2}).fit(frame, labels)


@pytest.mark.slow
def test_the_same_seed_gives_the_same(fitted: TabularClassifier) -> None:
    frame, labels, _ = table()
    again = clone(fitted).fit(frame, labels)
    np.testing.assert_array_equal(again.predict_proba(frame), fitted.predict_proba(frame))


@pytest.mark.slow
def test_values_have_their_scale_again() -> None:
    frame, _, values = table()
    model = TabularRegressor(random_state=0, settings=SHORT, metric="mae").fit(frame, values)
    assert model.score(frame, values) > 0.8
    two = TabularRegressor(random_state=0, settings=SHORT).fit(frame, np.stack([values, -values], axis=1))
    assert two.predict(frame).shape == (300, 2)


def test_a_predictor_is_kept_and_not_copied(fitted: TabularClassifier) -> None:
    frame, _, _ = table()
    first = fitted.predict_proba(frame)
    assert len(fitted._predictors) == 1
    (kept,) = fitted._predictors.values()
    np.testing.assert_array_equal(fitted.predict_proba(frame), first)
    assert next(iter(fitted._predictors.values())) is kept
    again = pickle.loads(pickle.dumps(fitted))
    assert again._predictors == {}
    np.testing.assert_array_equal(again.predict_proba(frame), first)


def test_members_that_diverge_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, labels, _ = table(60)
    monkeypatch.setattr("xpmlp.training.trainer.voters_note", lambda runs: "1 of 2 members diverged")
    with pytest.warns(ConvergenceWarning, match="1 of 2 members diverged"):
        TabularClassifier(folds=2, settings=SHORT | {"train.epochs": 1}).fit(frame, labels)


@pytest.mark.slow
def test_intervals_around_values(tmp_path: Path) -> None:
    frame, _, values = table()
    both = np.stack([values, -10 * values], axis=1)
    settings = SHORT | {"train.epochs": 8, "train.folds": 2}
    for targets, shape in ((values, (300, 2)), (both, (300, 2, 2))):
        model = TabularRegressor(random_state=0, settings=settings).fit(frame, targets)
        ends = model.predict_interval(frame, 0.8)
        assert ends.shape == shape
        predicted = model.predict(frame)
        assert ((ends[..., 0] < predicted) & (predicted < ends[..., 1])).all()
        assert ((ends[..., 0] <= targets) & (targets <= ends[..., 1])).mean() > 0.75  # of rows that are known
        model.save(tmp_path / "model")
        again = TabularRegressor.load(tmp_path / "model")
        np.testing.assert_array_equal(again.predict_interval(frame, 0.8), ends)
    with pytest.raises(ValueError, match="to be known by"):
        model.predict_interval(frame, 0.9999)


@pytest.mark.slow
def test_votes_folds_and_rows_to_judge_by(tmp_path: Path) -> None:
    frame, labels, values = table()
    folds = TabularClassifier(random_state=0, folds=2, members=2, settings=SHORT).fit(frame, labels)
    assert len(folds.network_.network.layers.members) == 4
    assert folds.oof_prediction_.shape == (300, 2)
    assert ((folds.oof_prediction_[:, 1] > 0.5) == (labels == "yes")).mean() > 0.8
    folds.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(frame), folds.predict_proba(frame))
    regressor = TabularRegressor(random_state=0, folds=2, settings=SHORT).fit(frame, values)
    assert regressor.oof_prediction_.shape == (300,)
    assert 0 < np.abs(regressor.oof_prediction_ - values).mean() < values.std()  # in the scale of the values
    members = TabularClassifier(random_state=0, members=2, settings=SHORT)
    members.fit(frame[50:], labels[50:], np.ones(250), eval_set=[(frame[:50], labels[:50])], categorical_features="c")
    assert len(members.network_.network.layers.members) == 2
    assert not hasattr(members, "oof_prediction_")
    with pytest.raises(ValueError, match="a label that the training rows have not"):
        members.fit(frame[50:], labels[50:], eval_set=(frame[:50], np.repeat("maybe", 50)))
    with pytest.raises(ValueError, match="give one of them"):
        folds.fit(frame[50:], labels[50:], eval_set=(frame[:50], labels[:50]))


def test_predictions_by_the_folds_of_the_recipe(fitted: TabularClassifier) -> None:
    assert fitted.oof_prediction_.shape == (300, 2)
    np.testing.assert_allclose(fitted.oof_prediction_.sum(axis=1), 1, rtol=1e-5)


def test_a_metric_for_the_other_task_is_refused() -> None:
    frame, labels, _ = table(20)
    with pytest.raises(ValueError, match=r"'metric' parameter of TabularClassifier must be a str among"):
        TabularClassifier(metric="mae").fit(frame, labels)


def test_a_string_is_the_name_of_one_categorical_column() -> None:
    frame, labels, _ = table(20)
    with pytest.raises(ValueError, match="categorical_features has 'auto', which is no column's name"):
        TabularClassifier().fit(frame, labels, categorical_features="auto")


@pytest.mark.parametrize("n", [1, 3, 9])
def test_fewer_rows_than_the_recipe_has_folds_for(n: int) -> None:
    frame, _, values = table(9)
    model = TabularRegressor(random_state=0, settings=SHORT | {"train.epochs": 2}).fit(frame[:n], values[:n])
    assert np.isfinite(model.predict(frame)).all()


@pytest.mark.slow
def test_time_ends_a_training() -> None:
    frame, labels, _ = table()
    settings = SHORT | {"train.epochs": 100_000, "train.segment_steps": 1}
    assert TabularClassifier(random_state=0, max_seconds=1.0, settings=settings).fit(frame, labels).predict(frame).size


@pytest.mark.slow
def test_in_scikit_learns_tools() -> None:
    frame, labels, _ = table(120)
    model = TabularClassifier(random_state=0, settings=SHORT | {"train.epochs": 3})
    assert len(cross_val_score(make_pipeline(FunctionTransformer(), model), frame, labels, cv=2)) == 2
    search = GridSearchCV(model, {"members": [1, 2]}, cv=2).fit(frame, labels)
    assert search.best_params_["members"] in (1, 2)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.repeat("yes", 300), "only one class"),
        ([None] * 300, "contains NaN|missing"),
        (np.zeros(10), "inconsistent numbers of samples"),
        (np.linspace(0, 1, 300), "Unknown label type"),
        (["yes"] * 300, "all targets are 'yes'"),
    ],
)
def test_targets_that_are_of_no_use(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularClassifier(settings=SHORT).fit(table()[0], y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.date_range("2020", periods=300), "y has times"),
        (np.arange(300) * 1e305, "too large a number"),
        (["x"] * 300, "no numbers; for labels there is TabularClassifier"),
    ],
)
def test_values_that_are_of_no_use(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularRegressor(settings=SHORT).fit(table()[0], y)


def test_forms_of_tables(fitted: TabularClassifier) -> None:
    frame, labels, _ = table()
    for rows in (
        frame.to_dict("list"),
        frame.to_dict("records"),
        frame.astype({"c": "category"}),
        pl.from_pandas(frame),
    ):
        np.testing.assert_array_equal(fitted.predict(rows), fitted.predict(frame))
    with pytest.raises(ValueError, match=r"X is a Series, and a table is needed.*frame.iloc\[\[0\]\]"):
        fitted.predict(frame.iloc[0])
    for given, message in (((frame[:9],), "no pair"), (frame[:9], "no pair"), ([(frame, labels)] * 2, "has 2 pairs")):
        with pytest.raises(ValueError, match=message):
            clone(fitted).fit(frame, labels, eval_set=given)


@pytest.mark.slow
def test_weights_by_metadata_routing() -> None:
    frame, labels, _ = table(80)
    weights = np.where(labels == "yes", 1.0, 0.0)
    model = TabularClassifier(random_state=0, folds=2, settings=SHORT | {"train.epochs": 1})
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scores = cross_validate(model, frame, labels, cv=2, params={"sample_weight": weights + 1}, error_score="raise")
        assert len(scores["test_score"]) == 2
        with pytest.raises(ValueError, match="at least one non-zero"):
            cross_validate(model, frame, labels, cv=2, params={"sample_weight": 0 * weights}, error_score="raise")

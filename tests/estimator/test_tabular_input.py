"""Targets, weights and parameters of the estimators for tables, in the types of the libraries around them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from xpmlp import MLPClassifier, TabularClassifier, TabularRegressor
from xpmlp._typing import Array
from xpmlp.nn import Activation, LayerSpec, Ops, losses
from xpmlp.optim import optimizers

QUICK = {"train.epochs": 1, "backend.fused": False, "backend.threads": 1}
ROWS = 60
FRAME = pd.DataFrame({"a": np.linspace(-1, 1, ROWS), "b": np.arange(ROWS) % 4})
FLAGS: npt.NDArray[np.bool_] = np.arange(ROWS) % 3 == 0
NUMBERS = FLAGS.astype(np.int64)
WORDS = np.where(FLAGS, "yes", "no")


def forward(ops: Ops, z: Array) -> tuple[Array, tuple[Array]]:
    return ops.xp.abs(z), (ops.xp.sign(z),)


def backward(ops: Ops, upstream: Array, kept: tuple[Array]) -> Array:
    return upstream * kept[0]


OWN = Activation("abs", forward, backward, "|z|")


def classifier(**parameters: Any) -> TabularClassifier:
    return TabularClassifier(**{"folds": 2, "random_state": 0, "settings": QUICK} | parameters)


def as_objects(values: Any) -> npt.NDArray[np.object_]:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (pd.Series(NUMBERS, dtype="category"), [0, 1]),
        (pd.Categorical(NUMBERS + 5), [5, 6]),
        (pd.DataFrame({"y": pd.Series(NUMBERS, dtype="category")}), [0, 1]),
        (pd.Series(FLAGS, dtype="category"), [False, True]),
        (pd.Series(FLAGS, dtype="boolean"), [False, True]),
        (pd.Series(WORDS, dtype="category"), ["no", "yes"]),
        (pd.Series(NUMBERS, dtype="Int64"), [0, 1]),
        (pd.Series(NUMBERS, dtype=object), [0, 1]),
        (as_objects(NUMBERS.tolist()), [0, 1]),
        (pl.Series(WORDS.tolist(), dtype=pl.Categorical), ["no", "yes"]),
        (pl.Series(WORDS.tolist(), dtype=pl.Enum(["yes", "no"])), ["no", "yes"]),
        (pa.array(NUMBERS).dictionary_encode(), [0, 1]),
        (pa.array(WORDS.tolist()).dictionary_encode(), ["no", "yes"]),
        (pa.table({"y": pa.array(NUMBERS)}), [0, 1]),
        (WORDS.astype(np.dtypes.StringDType()), ["no", "yes"]),
    ],
)
def test_labels_keep_their_type(y: Any, classes: list[Any]) -> None:
    model = classifier().fit(FRAME, y)
    assert model.classes_.tolist() == classes
    assert type(model.classes_.tolist()[0]) is type(classes[0])
    expected = np.asarray(y).ravel().tolist()
    assert np.isin(model.predict(FRAME), expected).all()
    assert 0 < model.score(FRAME, expected) <= 1


def test_a_column_of_categories_among_the_features_keeps_them() -> None:
    frame = FRAME.astype({"b": "category"})
    model = classifier().fit(frame, NUMBERS)
    assert [column.kind for column in model.encoder_.schema_.columns] == ["number", "category"]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (pd.NA, "Input y contains NaN"),
        (None, "Input y contains NaN"),
        (np.nan, "Input y contains NaN"),
        (pd.NaT, "Input y contains NaN"),
        (1, "labels of the type int and str"),
    ],
)
def test_objects_that_are_no_labels(first: Any, message: str) -> None:
    labels = as_objects([first, *WORDS.tolist()[1:]])
    for y in (labels, pd.Series(labels, dtype=object)):
        with pytest.raises(ValueError, match=message):
            classifier().fit(FRAME, y)


def test_a_date_that_is_missing_among_labels() -> None:
    days = np.where(FLAGS, np.datetime64("2020-01-01"), np.datetime64("NaT"))
    with pytest.raises(ValueError, match="contains infinity or NaN"):
        classifier().fit(FRAME, days)


def test_an_unknown_label_to_judge_by() -> None:
    message = "eval_set has a label that the training rows have not: {}; their classes are {}"
    for y, judging, label, classes in ((WORDS, "maybe", "'maybe'", "'no', 'yes'"), (NUMBERS, "1", "'1'", "0, 1")):
        with pytest.raises(ValueError, match=message.format(label, classes)):
            classifier(folds=None).fit(FRAME, y, eval_set=(FRAME, np.repeat(judging, ROWS)))


def test_values_to_judge_by_of_another_number_of_targets() -> None:
    for y, judging, message in (
        ("a", ["a", "b"], "2 targets, and y has 1"),
        (["a", "b"], "a", "1 targets, and y has 2"),
    ):
        with pytest.raises(ValueError, match=f"^eval_set has {message}"):
            TabularRegressor(settings=QUICK).fit(FRAME, FRAME[y], eval_set=(FRAME, FRAME[judging]))


def test_values_whose_squares_are_0_are_scaled_like_others() -> None:
    values = FRAME["a"].to_numpy() + 2
    one, tiny = (
        TabularRegressor(folds=2, random_state=0, settings=QUICK).fit(FRAME, values * unit) for unit in (1, 1e-170)
    )
    np.testing.assert_allclose(tiny.predict(FRAME), 1e-170 * one.predict(FRAME), rtol=1e-6, atol=0)


def test_own_records_are_given_in_settings(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'^model.activation = "own:OWN" is code .* give the object'):
        classifier(settings=QUICK | {"model.activation": "own:OWN"}).fit(FRAME, WORDS)
    known = {"model.layers": [LayerSpec("dense", (("units", 4),))], "model.loss": losses["cross_entropy"]}
    classifier(settings=QUICK | known | {"train.optimizer": optimizers["adam"]}).fit(FRAME, WORDS)
    model = classifier(settings=QUICK | {"model.activation": OWN}).fit(FRAME, WORDS)
    for other in (clone(model).fit(FRAME, WORDS), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(FRAME), model.predict_proba(FRAME))
    with pytest.raises(ValueError, match=r"^settings has a record, which is code and cannot be saved: pickle"):
        model.save(tmp_path / "model")
    for given in (OWN, [OWN]):
        with pytest.raises(ValueError, match=r"^activation has a record, and MLPClassifier takes names only"):
            MLPClassifier((3,), activation=given).fit(FRAME, WORDS)


def test_values_as_categories() -> None:
    values = pd.DataFrame({"y": pd.Series(np.arange(ROWS) % 3 + 0.5, dtype="category")})
    model = TabularRegressor(folds=2, random_state=0, settings=QUICK).fit(FRAME, values)
    assert model.predict(FRAME).ravel().shape == (ROWS,)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.where(FLAGS, 1.0, -1.0), "Negative values in data passed to `sample_weight`"),
        (np.full(ROWS, -1.0), "Negative values in data passed to `sample_weight`"),
        (np.zeros(ROWS), "at least one non-zero"),
        (np.where(FLAGS, 1.0, np.nan), "sample_weight contains NaN"),
        (np.where(FLAGS, 1.0, np.inf), "sample_weight contains infinity"),
        (np.full(ROWS, 1e308), "sums to inf, beyond float32: multiply all by a constant"),
        (np.full(ROWS, 1e-310), "sums to 6e-309, beyond float32: multiply all by a constant"),
    ],
)
def test_weights_that_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(FRAME, WORDS, weights)
    with pytest.raises(ValueError, match=message):
        TabularRegressor(folds=2, settings=QUICK).fit(FRAME, FRAME["a"], weights)


def test_numpy_parameters_are_taken_and_saved(tmp_path: Path) -> None:
    sizes = {"train.epochs": np.int64(1), "model.hidden_layer_sizes": (4,), "train.rates": None}
    given = {"members": np.int64(2), "folds": np.int64(2), "random_state": np.int64(0), "settings": QUICK | sizes}
    model = classifier(**given, threshold={np.int64(1): np.float32(20)}).fit(FRAME, NUMBERS)
    assert len(model.network_.network.layers.members) == 4
    model.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict_proba(FRAME), model.predict_proba(FRAME))
    search = GridSearchCV(classifier(), {"members": np.array([1, 2])}, cv=2, error_score="raise")
    assert search.fit(FRAME, NUMBERS).best_params_["members"] in (1, 2)


def test_a_file_from_before_parameters_were_encoded_is_read(tmp_path: Path) -> None:
    model = classifier().fit(FRAME, WORDS)
    model.save(tmp_path / "model")
    file = tmp_path / "model" / "estimator.json"
    facts = json.loads(file.read_text())
    del facts["classes_dtype"]
    file.write_text(json.dumps(facts | {"parameters": model.get_params()}))
    again = TabularClassifier.load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict(FRAME), model.predict(FRAME))


def test_a_parameter_that_cannot_be_saved_is_named_and_leaves_no_folder(tmp_path: Path) -> None:
    model = classifier(random_state=np.random.RandomState(0)).fit(FRAME, WORDS)
    with pytest.raises(ValueError, match=r"^random_state=RandomState\(MT19937\).* cannot be saved"):
        model.save(tmp_path / "model")
    model.set_params(random_state=0, settings={"model.activation": object()})
    with pytest.raises(ValueError, match=r"^settings=<object .*> cannot be saved"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "datetime64[D]", "bool", "U3"])
def test_classes_keep_their_type_when_saved(dtype: str, tmp_path: Path) -> None:
    model = classifier().fit(FRAME, NUMBERS.astype(dtype))
    model.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    assert again.classes_.dtype == model.classes_.dtype == dtype
    np.testing.assert_array_equal(again.classes_, model.classes_)


def test_a_refused_parameter_is_named_by_its_key() -> None:
    for costs, shown in (({"yes": -1}, "{ yes = -1 }"), ({}, "{}"), ({"yes": "a"}, '{ yes = "a" }')):
        with pytest.raises(ValueError, match=rf"^model\.threshold = {shown} is not allowed: give") as error:
            classifier(threshold=costs).fit(FRAME, WORDS)
        assert "--set" not in str(error.value)


def test_a_fit_that_fails_leaves_the_model_as_it_was() -> None:
    x, labels = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    quick = {"train.epochs": 1, "backend.fused": False}
    model = TabularClassifier(random_state=0, settings=quick).fit(x, labels)
    before = model.predict_proba(x)
    with pytest.raises(ValueError, match=r"train\.epochs = -1 is not allowed"):
        model.set_params(settings={"train.epochs": -1}).fit(x[:, :2], np.where(labels, "yes", "no"))
    assert model.classes_.tolist() == [0, 1]
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.set_params(settings=quick).predict_proba(x), before)


def test_masked_targets_are_refused() -> None:
    mask = np.arange(ROWS) == 7
    for model, y in ((classifier(), WORDS), (TabularRegressor(folds=2, settings=QUICK), FRAME["a"].to_numpy())):
        masked = np.ma.masked_array(y, mask)
        for given in ({"y": masked}, {"y": y, "eval_set": (FRAME, masked)}):
            with pytest.raises(ValueError, match=r"^Input y contains masked values, which are missing"):
                model.fit(FRAME, **given)
        model.fit(FRAME, np.ma.masked_array(y, False))


@pytest.mark.parametrize("changed", [0.01, {"yes": 1000}])
def test_a_threshold_that_is_set_after_fit_chooses(changed: Any, tmp_path: Path) -> None:
    model = classifier(threshold=0.99).fit(FRAME, WORDS)
    assert set(model.predict(FRAME)) == {"no"}
    assert set(model.set_params(threshold=changed).predict(FRAME)) == {"yes"}
    model.save(tmp_path / "model")
    assert set(TabularClassifier.load(tmp_path / "model").predict(FRAME)) == {"yes"}
    most_probable = WORDS[[0, 1]][::-1][model.predict_proba(FRAME).argmax(axis=1)]
    assert model.set_params(threshold=None).predict(FRAME).tolist() == most_probable.tolist()
    with pytest.raises(ValueError, match="balanced needs the training rows"):
        model.set_params(threshold="balanced").predict(FRAME)


def test_names_that_training_lacked_are_reported() -> None:
    model = classifier().fit(FRAME.to_numpy(), NUMBERS)
    with pytest.warns(UserWarning, match="X has feature names, but TabularClassifier was fitted without"):
        model.predict(FRAME[["b", "a"]])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_arrays_without_names_of_columns() -> None:
    model = classifier().fit(FRAME.to_numpy(), NUMBERS)
    for X in (np.matrix(FRAME.to_numpy()), array_api_strict.asarray(FRAME.to_numpy())):
        same = classifier().fit(X, NUMBERS)
        assert not hasattr(same, "feature_names_in_")
        assert np.array_equal(same.predict_proba(X), model.predict_proba(FRAME.to_numpy()))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pa.array(NUMBERS), "X is an Arrow array of one column, and a table is needed"),
        (pa.chunked_array([NUMBERS]), "X is an Arrow array of one column, and a table is needed"),
        ({"a": 1.0, "b": 2}, "column 'a' is of type float, which is no column: give a list or an array"),
        (None, "X is of type NoneType, which is no table"),
        (pd.DataFrame(np.ones((ROWS, 2)), columns=["a", "a"]), "X: several columns are called 'a'"),
    ],
)
def test_features_that_are_no_table(X: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(X, NUMBERS)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((ROWS, 0)), r"y has the shape \(60, 0\)"),
        ([10**400] * ROWS, "y has values that are no numbers"),
        (pd.Series([None] + [True] * (ROWS - 1), dtype="boolean"), "Input y contains NaN"),
        (pd.DataFrame(np.ones((ROWS, 2)), columns=["a", "a"]), "y: several columns are called 'a'"),
    ],
)
def test_values_that_are_refused(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabularRegressor(settings=QUICK).fit(FRAME, y)


@pytest.mark.parametrize("coverage", ["0.9", None, [0.9]])
def test_a_coverage_that_is_no_number(coverage: Any) -> None:
    model = TabularRegressor(folds=2, settings=QUICK).fit(FRAME, NUMBERS)
    with pytest.raises(ValueError, match="has to be between 0 and 1, as 0"):
        model.predict_interval(FRAME, coverage)

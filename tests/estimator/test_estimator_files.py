"""Estimators saved and loaded, pickled, and exchanged with scikit-learn's."""

from __future__ import annotations

import copy
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network

from tests.estimator.small import (
    ON_EACH_LIBRARY,
    classifier,
    digits,
    labels,
    on,
    regressor,
    same_weights,
    two_classes,
    values,
)
from tests.helpers import assert_lives_on
from xpmlp import MLPClassifier, MLPRegressor, TabularClassifier
from xpmlp.backend import Backend
from xpmlp.errors import BackendError, DataError
from xpmlp.estimator import fitted
from xpmlp.estimator.places import to_host
from xpmlp.estimator.trainable import OptimizerChoice
from xpmlp.storage import read_sealed, write_sealed

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def copies(estimator: Any, path: Path) -> list[Any]:
    """The estimator through a file, through pickle and deep-copied."""
    estimator.save(path / "estimator.safetensors")
    return [
        type(estimator).load(path / "estimator.safetensors"),
        pickle.loads(pickle.dumps(estimator)),
        copy.deepcopy(estimator),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("estimator", "data"), [(classifier, digits), (classifier, two_classes), (classifier, labels), (regressor, values)]
)
def test_a_copy_predicts_and_goes_on_as_the_original(estimator: Any, data: Any, solver: str, tmp_path: Path) -> None:
    X, y = data()
    original = estimator(solver=solver, warm_start=True, dropout=[0.2], verbose=np.bool_(False)).fit(X, y)
    for other in copies(original, tmp_path):
        assert other.get_params() == original.get_params()
        assert other.loss_curve_ == original.loss_curve_
        assert (other.n_iter_, other.t_, other.out_activation_) == (4, 4 * len(X), original.out_activation_)
        np.testing.assert_array_equal(other.predict(X), original.predict(X))
        assert other.predict(X).dtype == original.predict(X).dtype
        assert same_weights(other.fit(X, y), copy.deepcopy(original).fit(X, y))


def test_after_early_stopping_and_lbfgs(tmp_path: Path) -> None:
    X, y = digits()
    for parameters in ({"early_stopping": True}, {"solver": "lbfgs"}):
        original = classifier(**parameters).fit(X, y)
        for other in copies(original, tmp_path):
            assert same_weights(other, original)
            assert getattr(other, "best_validation_score_", None) == getattr(original, "best_validation_score_", None)


DATES = np.array(["2020-01-01", "2021-01-01", "2022-05-05"], "M8[D]")

CLASSES = {
    "days": DATES,
    "nanoseconds": DATES.astype("M8[ns]"),
    "tens of minutes": DATES.astype("M8[10m]"),
    "big-endian seconds": DATES.astype(">M8[s]"),
    "durations": np.array([1, 2, 30], "m8[ms]"),
    "truth values": np.array([False, True]),
    "float16": np.array([1, 2, 3], np.float16),
    "uint64": np.array([1, 2, 2**63 + 5], np.uint64),
    "texts as objects": np.array(["a", "b", "\u00e9" * 300], object),
}


@pytest.mark.parametrize(("name", "library"), [*((name, "numpy") for name in CLASSES), ("days", "torch")])
def test_classes_of_every_type_come_back(name: str, library: str, get_backend: Any, tmp_path: Path) -> None:
    X, y = digits()
    classes = CLASSES[name]
    X, y = on(get_backend(library), X), classes[y % len(classes)]
    ours = classifier().fit(X, y)
    for copied in copies(ours, tmp_path):
        for mine, other in ((ours.classes_, copied.classes_), (ours.predict(X), copied.predict(X))):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)


def test_classes_of_a_type_that_no_file_has_are_refused_by_name(tmp_path: Path) -> None:
    X, y = digits()
    ours = classifier().fit(X, y)
    ours._labels.classes = np.array([complex(label) for label in range(10)])
    with pytest.raises(
        ValueError, match=r"classes of the type complex128, such as .*, cannot be saved: fit with numbers"
    ):
        ours.save(tmp_path / "network")
    assert not (tmp_path / "network").exists()


@pytest.mark.parametrize("backend", ON_EACH_LIBRARY, indirect=True)
def test_a_copy_is_where_the_original_was_or_where_it_is_asked_for(backend: Backend, tmp_path: Path) -> None:
    X, y = digits()
    original = classifier().fit(on(backend, X), on(backend, y))
    expected = to_host(original.predict_proba(on(backend, X)))
    for other in copies(original, tmp_path):
        assert_lives_on(other.coefs_[0], backend)
        assert_lives_on(other.classes_, backend)
        np.testing.assert_array_equal(to_host(other.predict_proba(on(backend, X))), expected)
        other.partial_fit(on(backend, X), on(backend, y))
        assert_lives_on(other.intercepts_[-1], backend)
    here = MLPClassifier.load(tmp_path / "estimator.safetensors", backend="numpy")
    np.testing.assert_allclose(here.predict_proba(X.astype(np.float32)), expected, atol=1e-5)
    here.partial_fit(X.astype(np.float32), y)


def test_a_pickle_from_a_machine_with_another_library(monkeypatch: pytest.MonkeyPatch, get_backend: Any) -> None:
    backend = get_backend("strict", "device1")
    X, y = digits()
    content = pickle.dumps(classifier().fit(on(backend, X), on(backend, y)))

    def missing(*_: Any) -> Backend:
        raise BackendError("there is no such library.")

    monkeypatch.setattr(fitted, "backend_at", missing)
    with pytest.warns(UserWarning, match="there is no such library. The estimator's arrays are NumPy's now"):
        here = pickle.loads(content)
    monkeypatch.undo()
    assert here.predict(X).shape == y.shape


def test_parameters_of_every_type_come_back(tmp_path: Path) -> None:
    X, y = digits()
    original = classifier(
        hidden_layer_sizes=np.array([5, 4]),
        activation=("relu", "tanh"),
        class_weight={0: 2.0, 1: 1.0},
        n_iter_no_change=np.inf,
        learning_rate_init=np.float32(0.01),
    ).fit(X, y)
    original.save(tmp_path / "file")
    parameters = MLPClassifier.load(tmp_path / "file").get_params()
    assert parameters["hidden_layer_sizes"] == [5, 4]
    assert parameters["activation"] == ("relu", "tanh")
    assert parameters["class_weight"] == {0: 2.0, 1: 1.0}
    assert parameters["n_iter_no_change"] == np.inf


def test_what_cannot_be_saved_or_loaded(tmp_path: Path) -> None:
    X, y = digits()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        classifier().save(tmp_path / "file")
    with pytest.raises(ValueError, match=r"random_state=RandomState.* cannot be saved"):
        classifier(random_state=np.random.RandomState(0)).fit(X, y).save(tmp_path / "file")
    assert not (tmp_path / "file").exists()
    with pytest.raises(DataError, match="there is no"):
        MLPClassifier.load(tmp_path / "file")
    classifier().fit(X, y).save(tmp_path / "file")
    with pytest.raises(DataError, match="is a folder, as saved by an estimator for tables"):
        MLPClassifier.load(tmp_path)
    with pytest.raises(DataError, match="is a file, and TabularClassifier saves folders"):
        TabularClassifier.load(tmp_path / "file")
    with pytest.raises(DataError, match="holds MLPClassifier, not MLPRegressor"):
        MLPRegressor.load(tmp_path / "file")
    content = bytearray((tmp_path / "file").read_bytes())
    content[-1] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        MLPClassifier.load(tmp_path / "file")


@pytest.mark.parametrize(
    ("kind", "data"),
    [("MLPClassifier", digits), ("MLPClassifier", two_classes), ("MLPClassifier", labels), ("MLPRegressor", values)],
)
def test_exchange_with_scikit_learn(kind: str, data: Any) -> None:
    X, y = data()
    theirs = getattr(sklearn.neural_network, kind)(hidden_layer_sizes=(7, 5), max_iter=3, random_state=0).fit(X, y)
    cls = MLPClassifier if kind == "MLPClassifier" else MLPRegressor
    ours = cls.from_sklearn(theirs)
    back = ours.to_sklearn()
    assert type(back) is type(theirs)
    assert back.get_params() == theirs.get_params()
    np.testing.assert_array_equal(back.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.score(X, y), theirs.score(X, y), atol=1e-12)
    assert back.loss_curve_ == ours.loss_curve_ == theirs.loss_curve_
    again = cls.from_sklearn(back)
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))
    before, losses = [weights.copy() for weights in theirs.coefs_], list(theirs.loss_curve_)
    classes = {"classes": np.unique(y)} if data is digits else {}
    ours.partial_fit(X, y, **classes)
    back.partial_fit(X, y, **classes)
    assert all(np.array_equal(a, b) for a, b in zip(before, theirs.coefs_, strict=True))  # nothing is shared
    assert theirs.loss_curve_ == losses
    assert len(ours.loss_curve_) == len(back.loss_curve_) == len(losses) + 1
    for mine, other in zip(ours.coefs_, back.coefs_, strict=True):
        assert mine.shape == other.shape


class Small(MLPClassifier):
    """With fewer parameters."""

    def __init__(self, max_iter: int = 2) -> None:
        super().__init__((5,), max_iter=max_iter)


def test_a_subclass_is_given_to_the_class_above() -> None:
    X, y = digits()
    ours = Small().fit(X, y)
    np.testing.assert_array_equal(ours.to_sklearn().predict(X), ours.predict(X))


def test_an_estimator_without_a_fixed_seed_is_exchanged_and_back(tmp_path: Path) -> None:
    X, y = digits()
    Small().fit(X, y).save(tmp_path / "file")
    for ours in (Small().fit(X, y), Small.load(tmp_path / "file")):
        np.testing.assert_array_equal(MLPClassifier.from_sklearn(ours.to_sklearn()).predict(X), ours.predict(X))


def test_what_cannot_be_exchanged() -> None:
    X, y = digits()
    with pytest.raises(ValueError, match="one activation for all hidden layers"):
        classifier(hidden_layer_sizes=(5, 5), activation=["relu", "tanh"]).fit(X, y).to_sklearn()
    assert classifier(activation=["tanh"]).fit(X, y).to_sklearn().activation == "tanh"
    with pytest.raises(TypeError, match="takes a fitted MLPRegressor"):
        MLPRegressor.from_sklearn(sklearn.neural_network.MLPClassifier())
    with pytest.raises(TypeError, match="takes a fitted MLPClassifier of scikit-learn's"):
        MLPClassifier.from_sklearn(classifier().fit(X, y))


NONSENSE: list[Any] = [None, True, -1, 10**30, 1.5, "", "<U999999999", "|O", [], {}, [1], {"a": 1}, [["x"]], "[" * 9]


@pytest.mark.slow
def test_a_sound_file_that_says_nonsense(tmp_path: Path) -> None:
    """A stranger may have made the checksum right: it is read, or refused in a sentence."""
    X, y = two_classes()
    classifier(solver="adam", dropout=[0.2]).fit(X, y).save(tmp_path / "file")
    description, tensors = read_sealed(tmp_path / "file")
    rng, refusals = random.Random(0), list[str]()
    for number in range(400):
        changed = copy.deepcopy(description)
        table = changed[rng.choice(["memory", "labels", "figures", "parameters"])] if number % 2 else changed
        key = rng.choice(list(table))
        if number % 3:
            table[key] = rng.choice(NONSENSE)
        else:
            del table[key]
        write_sealed(tmp_path / "file", changed, tensors)
        try:
            MLPClassifier.load(tmp_path / "file")
        except (BackendError, DataError) as error:
            refusals.append(str(error))
    assert 100 < len(refusals) < 400
    assert max(map(len, refusals)) < 1000


def test_a_file_sets_no_attribute_but_those_that_are_saved(tmp_path: Path) -> None:
    X, y = two_classes()
    classifier().fit(X, y).save(tmp_path / "file")
    description, tensors = read_sealed(tmp_path / "file")
    description["figures"]["predict"] = 1
    write_sealed(tmp_path / "file", description, tensors)
    assert MLPClassifier.load(tmp_path / "file").predict(X).shape == y.shape


@pytest.mark.parametrize(
    ("saved", "choice"),
    [
        (["sgd", None, None, None], OptimizerChoice("sgd")),
        (["adam", 0.9, 0.95, 1e-8], OptimizerChoice("adam", (("beta_1", 0.9), ("beta_2", 0.95), ("epsilon", 1e-8)))),
    ],
)
def test_an_optimizer_as_it_was_written_before_it_had_a_record(
    saved: Any, choice: OptimizerChoice, tmp_path: Path
) -> None:
    path = tmp_path / "estimator.safetensors"
    original = classifier(solver=choice.name, momentum=0, beta_2=0.95).fit(*digits())
    original.save(path)
    description, tensors = read_sealed(path)
    description["memory"]["choice"] = saved
    write_sealed(path, description, tensors)
    loaded = MLPClassifier.load(path)
    assert loaded._memory.choice == original._memory.choice == choice
    assert same_weights(loaded.partial_fit(*digits()), original.partial_fit(*digits()))

"""Losses, dropout and weights of examples in a training: on every backend, stacked or alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.class_weight import compute_class_weight

from tests.helpers import cases, relative_difference
from tests.training.small import CLASSES, EXAMPLES, small_dataset, train_runs, weights_of
from tests.training.test_snapshots import Kept, trained
from xpmlp._tree import leaves
from xpmlp.backend import Backend, resolve
from xpmlp.config import Config, DataConfig, ModelConfig, TrainConfig
from xpmlp.data import Dataset, Part
from xpmlp.errors import ConfigError, DataError
from xpmlp.nn import activations, losses
from xpmlp.optim import Hyperparameters
from xpmlp.training import Run
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.run import RunSettings
from xpmlp.training.step import Constants, seeds_of

SETTINGS = [RunSettings(seed, rate, 0.0, 0.9) for seed, rate in ((0, 0.05), (1, 0.1), (5, 0.2))]
DROPOUT = {"hidden_layer_sizes": [7, 5], "activation": ["tanh", "relu"], "dropout": [0.3, 0.5]}

every_library = pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)


def problem_of(
    backend: Backend | None = None, dataset: Dataset | None = None, model: dict[str, Any] | None = None, **train: Any
) -> ConfigTrainable:
    """A small network on NumPy in float64, where not said otherwise."""
    config = Config(
        data=DataConfig(name="csv", path="/x.csv"),  # the loop does not look at it
        model=ModelConfig(**{"hidden_layer_sizes": [5], "activation": "tanh", **(model or {})}),
        train=TrainConfig(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.1, **train}),
    )
    return ConfigTrainable(config, dataset or small_dataset(), backend or resolve("numpy", None, "float64").backend)


def values_dataset(columns: int = 2, *, whole: bool = False) -> Dataset:
    """The small features, with targets that follow from them."""
    dataset = small_dataset()
    rng = np.random.default_rng(8)
    directions = rng.normal(size=(dataset.n_features, columns)) / 16

    def part(one: Part) -> Part:
        values = np.tanh(one.features @ directions) + rng.normal(scale=0.1, size=(len(one), columns))
        return Part(one.features, (values > 0).astype(float) if whole else np.exp(values))

    assert dataset.validation is not None
    return replace(
        dataset,
        train=part(dataset.train),
        validation=part(dataset.validation),
        classes=np.empty(0, dtype=np.int64),
        target_names=tuple("abc"[:columns]),
    )


def dataset_for(loss: str) -> Dataset:
    if loss == "cross_entropy":
        return small_dataset()
    return values_dataset(1 if loss == "quantile" else 2, whole=loss == "logistic")


def difference(problem: ConfigTrainable, one: Run, other: Run) -> float:
    """The largest relative difference of losses, of figures, and of weights."""
    pairs = [(one.losses, other.losses)]
    pairs += [
        (np.asarray(a, dtype=float), np.asarray(b, dtype=float)) for a, b in zip(one.epochs, other.epochs, strict=True)
    ]
    pairs += zip(weights_of(problem, one), weights_of(problem, other), strict=True)
    return max(relative_difference(*pair) for pair in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("loss", losses)
@every_library
def test_every_library_trains_alike_stacked_or_alone(backend: Backend, loss: str) -> None:
    dataset, model = dataset_for(loss), DROPOUT | {"loss": loss}
    problem, reference = problem_of(backend, dataset, model), problem_of(None, dataset, model)
    (wanted,) = train_runs(reference, SETTINGS[1])
    stacked = train_runs(problem, *SETTINGS)
    (alone,) = train_runs(problem, SETTINGS[1])
    host = replace(alone, parameters=None), replace(wanted, parameters=None)
    assert relative_difference(host[0].losses, host[1].losses) < 1e-11
    for actual, expected in zip(weights_of(problem, alone), weights_of(reference, wanted), strict=True):
        assert relative_difference(actual, expected) < 1e-11
    assert difference(problem, stacked[1], alone) < 1e-11
    assert alone.metric == losses[loss].metric


@pytest.mark.slow
@every_library
def test_every_activation_trains_alike_stacked_or_alone(backend: Backend) -> None:
    hidden = [name for name in activations if name != "identity"]
    model = {"activation": hidden, "hidden_layer_sizes": [6] * len(hidden), "dropout": [0.1] * len(hidden)}
    problem, reference = problem_of(backend, model=model, epochs=1), problem_of(None, model=model, epochs=1)
    (wanted,) = train_runs(reference, SETTINGS[1])
    (alone,) = train_runs(problem, SETTINGS[1])
    for actual, expected in zip(weights_of(problem, alone), weights_of(reference, wanted), strict=True):
        assert relative_difference(actual, expected) < 1e-11
    assert difference(problem, train_runs(problem, *SETTINGS)[1], alone) < 1e-11


@pytest.mark.parametrize("name", activations)
def test_every_activation_learns(name: str) -> None:
    model = {"activation": name, "hidden_layer_sizes": [20]}
    (run,) = train_runs(problem_of(None, values_dataset(), model, epochs=20, learning_rate=0.02))
    assert run.epochs[-1].train_loss < 0.5 * run.epochs[0].train_loss


def test_targets_are_smoothed_in_training_alone() -> None:
    plain = problem_of(learning_rate=0.0, evaluate_train=True)
    smooth = problem_of(model={"label_smoothing": 0.5}, learning_rate=0.0, evaluate_train=True)
    (run,), (other,) = train_runs(plain), train_runs(smooth)
    assert run.train_scores == other.train_scores
    assert run.epochs[0].validation_loss == other.epochs[0].validation_loss
    assert run.epochs[0].train_value == other.epochs[0].train_value
    probabilities = predicted(plain, run, plain.dataset.train)
    uniform = -np.log(probabilities).mean()
    expected = 0.5 * run.epochs[0].train_loss + 0.5 * uniform
    assert other.epochs[0].train_loss == pytest.approx(expected, rel=1e-12)
    (moved,), (straight,) = (train_runs(problem_of(model={"label_smoothing": part})) for part in (0.5, 0.0))
    assert not np.isclose(moved.losses, straight.losses).any()


def test_quantiles_are_of_the_data() -> None:
    dataset = values_dataset(1)
    model = {"loss": "quantile", "hidden_layer_sizes": [], "quantiles": [0.2, 0.5, 0.8]}
    problem = problem_of(None, dataset, model, epochs=300, learning_rate=0.05, batch_size=1000)
    assert problem.sizes[-1] == 3
    (run,) = train_runs(problem)
    below = (dataset.train.targets < predicted(problem, run, dataset.train)).mean(axis=0)
    np.testing.assert_allclose(below, [0.2, 0.5, 0.8], atol=0.1)


def test_dropout_depends_on_the_step_and_not_on_the_segments() -> None:
    (whole,) = train_runs(problem_of(model=DROPOUT))
    (cut,) = train_runs(problem_of(model=DROPOUT, segment_steps=2))
    np.testing.assert_array_equal(whole.losses, cut.losses)
    (without,) = train_runs(problem_of(model=DROPOUT | {"dropout": 0.0}))
    assert not np.isclose(whole.losses, without.losses).any()
    # the same examples in the same order: what differs from epoch to epoch is the masks
    still = {"shuffle": False, "learning_rate": 0.0}
    (dropped,) = train_runs(problem_of(model=DROPOUT, **still))
    first, second = np.split(dropped.losses, 2)
    assert not np.isclose(first, second).any()
    first, second = np.split(train_runs(problem_of(**still))[0].losses, 2)
    np.testing.assert_array_equal(first, second)


def test_dropout_goes_on_with_the_masks_that_it_would_have_had() -> None:
    problem, kept = problem_of(model=DROPOUT, segment_steps=2), Kept()
    (whole,) = trained(problem, SETTINGS[:1], saver=kept)
    assert len(kept.snapshots) > 8
    for snapshot in kept.snapshots[1:6:2]:
        (again,) = trained(problem, SETTINGS[:1], start=snapshot)
        np.testing.assert_array_equal(again.losses, whole.losses)


def test_what_is_not_used_costs_nothing() -> None:
    def prepared(decay: Any = None, **given: Any) -> int:
        """How many arrays a step is given."""
        problem = problem_of(**given)
        rows, examples = problem.fetch(np.arange(8).reshape(1, 1, 8))
        seeds = seeds_of(problem.network, problem.backend, [0])
        one = np.ones((1, 1, 1, 1))
        rates = Hyperparameters.series(one, decay, one, 8)
        batches = (rows, rates) if seeds is None else (rows, rates, np.zeros((1, 1, 1), np.int32))
        return len(list(leaves(problem.training_fold.prepare(batches, Constants(examples, seeds)))))

    assert prepared(decay=np.ones((1, 1, 1, 1))) == prepared() + 2
    assert prepared(class_weight="balanced") == prepared() + 1
    assert prepared(model=DROPOUT) == prepared() + 2
    assert prepared(model=DROPOUT | {"dropout": [0.0, 0.5]}) == prepared() + 1
    assert prepared(model=DROPOUT | {"dropout": [0.0, 0.0]}) == prepared()


def predicted(problem: ConfigTrainable, run: Run, part: Part) -> npt.NDArray[Any]:
    assert run.parameters is not None
    return problem.inference.predict(run.parameters, part.features)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", losses)
def test_scores_are_scikit_learns(loss: str, weighted: bool) -> None:
    dataset = dataset_for(loss)
    assert dataset.validation is not None
    weights = np.random.default_rng(2).uniform(0, 3, len(dataset.validation)) if weighted else None
    part = replace(dataset.validation, weights=weights)
    problem = problem_of(None, replace(dataset, validation=part), {"loss": loss})
    (run,) = train_runs(problem)
    outputs = predicted(problem, run, part)
    if loss == "cross_entropy":
        expected = accuracy_score(part.targets, outputs.argmax(axis=1), sample_weight=weights)
    elif loss == "logistic":
        expected = accuracy_score(part.targets, outputs > 0.5, sample_weight=weights)
    else:
        values = outputs[:, 1:2] if loss == "quantile" else outputs  # the median
        expected = r2_score(part.targets, values, sample_weight=weights)
    assert run.epochs[-1].validation_value == pytest.approx(expected, rel=1e-12)
    if loss == "squared":
        errors = ((outputs - part.targets) ** 2).sum(axis=1) / 2
        assert run.epochs[-1].validation_loss == pytest.approx(np.average(errors, weights=weights), rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("loss", losses)
@every_library
def test_a_weight_counts_as_that_many_copies(backend: Backend, loss: str) -> None:
    dataset = replace(dataset_for(loss), validation=None)
    counts = np.random.default_rng(3).integers(0, 4, EXAMPLES)
    train = replace(dataset.train, weights=counts.astype(float))
    copies = Part(np.repeat(train.features, counts, axis=0), np.repeat(train.targets, counts, axis=0))
    whole = {"batch_size": 1000, "epochs": 3}
    weighted, repeated = (
        problem_of(backend, replace(dataset, train=part), {"loss": loss}, **whole) for part in (train, copies)
    )
    for one, other in zip(train_runs(weighted, *SETTINGS), train_runs(repeated, *SETTINGS), strict=True):
        assert difference(weighted, one, other) < 1e-12


def test_a_batch_of_zero_weights_changes_nothing() -> None:
    dataset = small_dataset()
    train = replace(dataset.train, weights=np.where(np.arange(EXAMPLES) < 8, 0.0, 1.0))
    problem = problem_of(dataset=replace(dataset, train=train), shuffle=False, epochs=1)
    without = problem_of(
        dataset=replace(dataset, train=Part(train.features[8:], train.targets[8:])), shuffle=False, epochs=1
    )
    (run,), (other,) = train_runs(problem), train_runs(without)
    assert run.losses[0] == 0
    np.testing.assert_array_equal(run.losses[1:], other.losses)


def test_two_classes_with_one_output() -> None:
    dataset = small_dataset()

    def two(part: Part | None) -> Part:
        assert part is not None
        return Part(part.features, (part.targets > 0).astype(np.int64))

    dataset = replace(dataset, train=two(dataset.train), validation=two(dataset.validation), classes=np.arange(2))
    problem = problem_of(None, dataset, {"loss": "logistic"}, epochs=20, learning_rate=1.0)
    assert problem.sizes == [dataset.n_features, 5, 1]
    (run,) = train_runs(problem)
    assert run.epochs[-1].train_loss < 0.9 * run.epochs[0].train_loss
    assert dataset.validation is not None
    outputs = predicted(problem, run, dataset.validation)
    wanted = accuracy_score(dataset.validation.targets, outputs[:, 0] > 0.5)
    assert run.epochs[-1].validation_value == pytest.approx(wanted)


@pytest.mark.parametrize("given", ["balanced", {"0": 2.0, "2": 0.5}])
def test_class_weights(given: Any) -> None:
    dataset = small_dataset()
    problem, plain = problem_of(class_weight=given), problem_of()
    targets = dataset.train.targets
    by_class = (
        compute_class_weight("balanced", classes=np.arange(CLASSES), y=targets)
        if given == "balanced"
        else np.asarray([2.0, 1.0, 0.5])
    )
    np.testing.assert_allclose(problem.train_examples.weights, by_class[targets], rtol=1e-12)
    assert problem.validation_examples is not None
    assert problem.validation_examples.weights is None
    (run,), (other,) = train_runs(problem), train_runs(plain)
    assert not np.isclose(run.losses, other.losses).any()


@pytest.mark.parametrize(
    ("classes", "given", "weights"),
    [
        ([False, True], {"true": 3.0}, [1, 3]),
        (["FALSE", "TRUE"], {"TRUE": 3.0, "false": 2}, [2, 3]),
        (["01", "02"], {"01": 3.0}, [3, 1]),
        ([1, 2], {"1": 2.0, "2.0": 3.0}, [2, 3]),
        ([1.0, 2.0], {"1.0": 2.0, "2": 3.0}, [2, 3]),
        (["007", "07"], {"07": 3.0}, [1, 3]),
        ([9007199254740992, 9007199254740993], {"9007199254740993": 3.0}, [1, 3]),
    ],
)
def test_class_weights_name_labels_as_they_are_written(classes: Any, given: Any, weights: list[float]) -> None:
    dataset = small_dataset()
    part = Part(dataset.train.features, dataset.train.targets % 2)
    problem = problem_of(None, replace(dataset, train=part, classes=np.asarray(classes)), class_weight=given)
    np.testing.assert_array_equal(problem.train_examples.weights, np.asarray(weights)[part.targets])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"7": 2.0}, "a weight for '7', which is no class of the data; they are 007, 07."),
        ({"07": 2.0, "TRUE": 1}, "'TRUE', which is no class"),
    ],
)
def test_class_weights_that_name_no_class_or_two(given: Any, says: str) -> None:
    dataset = replace(small_dataset(), classes=np.asarray(["007", "07"]))
    with pytest.raises(ConfigError, match=says):
        train_runs(problem_of(None, dataset, class_weight=given))


def test_two_class_weights_for_one_class_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"two weights for the class 1, as '1' and '1\.0': give it one"):
        train_runs(problem_of(class_weight={"1": 2.0, "1.0": 3.0}))


@pytest.mark.parametrize(
    ("model", "train", "dataset", "error", "says"),
    [
        (
            {},
            {"class_weight": {"7": 1.0}},
            small_dataset(),
            ConfigError,
            "'7', which is no class of the data; they are 0",
        ),
        ({}, {"class_weight": {"0": 0.0, "1": 0.0, "2": 0}}, small_dataset(), ConfigError, "0 for every class"),
        ({}, {"class_weight": "balanced"}, values_dataset(), ConfigError, "is for classes, and the targets are values"),
        ({"loss": "logistic"}, {}, small_dataset(), DataError, 'two classes, and the data have 3: use "cross_entropy"'),
        ({"loss": "quantile"}, {}, values_dataset(), DataError, "one column of values, and the data have 2"),
        ({"label_smoothing": 0.1}, {}, values_dataset(), ConfigError, "label_smoothing is not for these targets"),
        ({"loss": "logistic"}, {}, values_dataset(), DataError, "columns of 0 and 1, and 'a' has "),
    ],
)
def test_what_does_not_suit_the_data(
    model: dict[str, Any], train: dict[str, Any], dataset: Dataset, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        train_runs(problem_of(None, dataset, model, **train))


def test_poisson_needs_values_of_at_least_0() -> None:
    dataset = values_dataset()
    train = Part(dataset.train.features, -dataset.train.targets)
    with pytest.raises(DataError, match="values of at least 0, and 'a' has -"):
        train_runs(problem_of(None, replace(dataset, train=train), {"loss": "poisson"}))


def test_the_loss_is_chosen_by_the_targets() -> None:
    assert problem_of().network.loss is losses["cross_entropy"]
    assert problem_of(dataset=values_dataset()).network.loss is losses["squared"]

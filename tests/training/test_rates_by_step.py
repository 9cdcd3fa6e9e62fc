"""Learning rates, weight decay and dropout that change with every step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.helpers import cases, relative_difference
from tests.training import numpy_loop
from tests.training.small import STEPS, small_problem, train_runs, weights_of
from tests.training.test_delayed import ONE, OTHER, assert_same, both_ways
from tests.training.test_snapshots import Kept
from xpmlp.backend import Backend, resolve
from xpmlp.config import ModelConfig
from xpmlp.errors import ConfigError
from xpmlp.init import batch_order, initial_parameters
from xpmlp.optim.schedules import Schedule, schedules
from xpmlp.training import Reporter, policy
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings

EPOCHS = 3
BY_STEP = {"schedule": "cosine", "schedule_by": "step", "warmup": 5.0, "weight_decay_schedule": "linear"}
SETTINGS = [
    RunSettings(seed=0, learning_rate=0.5, weight_decay=0.1, momentum=0.9),
    RunSettings(seed=3, learning_rate=0.2, weight_decay=0.0, momentum=0.5),
]


def by_hand() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The learning rates and weight decays (epochs, steps) of `BY_STEP`."""
    steps = np.arange(EPOCHS * STEPS)
    progress = steps / len(steps)
    rates = 0.5 * (1 + np.cos(np.pi * progress)) / 2 * np.minimum(1, steps / 5)
    return rates.reshape(EPOCHS, STEPS), (0.1 * (1 - progress)).reshape(EPOCHS, STEPS)


@pytest.mark.parametrize("backend", cases(dtype="float64"), indirect=True)
def test_sgd_is_a_plain_loop_with_the_same_rates(backend: Backend) -> None:
    problem = small_problem(backend, epochs=EPOCHS, weight_decay=0.1, **BY_STEP)
    (run,) = train_runs(problem)
    train, (rates, decays) = problem.dataset.train, by_hand()
    orders = [batch_order(0, epoch, len(train)) for epoch in range(1, EPOCHS + 1)]
    first = initial_parameters(problem.sizes, 0)
    trace = numpy_loop.train(train.features / 16, train.targets, first, orders, rates, 8, decays)
    assert relative_difference(run.losses, np.asarray(trace.batch_losses)) <= 1e-12
    for actual, wanted in zip(weights_of(problem, run), trace.weights, strict=True):
        assert relative_difference(actual.ravel(), wanted.ravel()) <= 1e-12
    assert [row.learning_rate for row in run.epochs] == pytest.approx(rates[:, -1].tolist(), rel=1e-14)


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
def test_each_step_of_an_optimiser_has_its_own_rate(optimizer: str) -> None:
    """Against gradients of PyTorch's and the rules written out."""
    torch = pytest.importorskip("torch")
    problem = small_problem(optimizer=optimizer, epochs=EPOCHS, **BY_STEP)
    (run,) = train_runs(problem)
    train, rates = problem.dataset.train, by_hand()[0].ravel()
    weights = [
        torch.tensor(leaf, requires_grad=True) for layer in initial_parameters(problem.sizes, 0) for leaf in layer
    ]
    first, second = ([torch.zeros_like(leaf) for leaf in weights] for _ in range(2))
    x, losses, step = torch.tensor(train.features / 16), [], 0
    for epoch in range(1, EPOCHS + 1):
        for rows in np.split(batch_order(0, epoch, len(train)), range(8, len(train), 8)):
            w, b, v, c = weights
            logits = torch.tanh(x[rows] @ w + b) @ v + c
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(train.targets[rows]))
            losses.append(loss.item())
            gradients, rate, step = torch.autograd.grad(loss, weights), rates[step], step + 1
            with torch.no_grad():
                for leaf, slope, m, s in zip(weights, gradients, first, second, strict=True):
                    if optimizer == "adam":
                        m.mul_(0.9).add_(0.1 * slope)
                        s.mul_(0.999).add_(0.001 * slope**2)
                        leaf -= rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step) * m / (s.sqrt() + 1e-8)
                    else:
                        m.mul_(0.9).sub_(rate * slope)
                        leaf += 0.9 * m - rate * slope if optimizer == "nesterov" else m
    assert relative_difference(run.losses, np.asarray(losses)) <= 1e-10


def dropping(problem: ConfigTrainable) -> ConfigTrainable:
    model = ModelConfig(hidden_layer_sizes=[6, 5], activation="tanh", dropout=[0.5, 0.3], dropout_schedule="linear")
    return ConfigTrainable(problem.config.model_copy(update={"model": model}), problem.dataset, problem.backend)


def test_a_dropout_schedule_above_1_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = Schedule("growing", "grows", lambda settings, done, losses: settings.first * (1 + done / 4))
    monkeypatch.setattr(policy, "schedules", {"linear": growing, "constant": schedules["constant"]})
    monkeypatch.setattr(policy, "_values", policy._values.__wrapped__)  # so that no other test gets its values
    with pytest.raises(ConfigError, match=r"the schedule 'linear' gives .*, and a part of the dropout is at most 1"):
        train_runs(dropping(small_problem(epochs=EPOCHS)), SETTINGS[0])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("backend", cases("numpy", "torch", "jax", dtype="float64"), indirect=True)
def test_stacked_runs_have_the_rates_that_they_have_alone(backend: Backend, optimizer: str) -> None:
    problem = dropping(small_problem(backend, epochs=EPOCHS, optimizer=optimizer, **BY_STEP))
    stacked = train_runs(problem, *SETTINGS)
    for one, settings in zip(stacked, SETTINGS, strict=True):
        (alone,) = train_runs(problem, settings)
        assert relative_difference(one.losses, alone.losses) <= 1e-10
        assert [row.learning_rate for row in one.epochs] == [row.learning_rate for row in alone.epochs]


@pytest.mark.parametrize("settings", [SETTINGS[:1], SETTINGS], ids=["one", "two"])
def test_resumed_anywhere_it_goes_on_with_the_same_rates(settings: list[RunSettings]) -> None:
    problem, kept = dropping(small_problem(epochs=EPOCHS, segment_steps=2, **BY_STEP)), Kept()
    with problem.backend.session(1):
        whole = train_block(problem, settings, Reporter(), lambda: False, saver=kept)
        for snapshot in kept.snapshots[1:9:3]:
            for run, other in zip(
                train_block(problem, settings, Reporter(), lambda: False, start=snapshot), whole, strict=True
            ):
                np.testing.assert_array_equal(run.losses, other.losses)


@pytest.mark.parametrize("backend", cases("numpy", "torch", "jax", dtype="float64"), indirect=True)
@pytest.mark.parametrize("decays", [(0.0,), (0.5,), (0.0, 2.0)], ids=["none", "one", "one of two"])
@pytest.mark.parametrize("batch", [1, 3])
def test_delayed_updates_have_the_rates_of_their_steps(
    batch: int, decays: tuple[float, ...], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [one._replace(weight_decay=decay) for one, decay in zip((ONE, OTHER), decays, strict=False)]
    train = {"schedule": "coslog", "warmup": 0.3, "weight_decay_schedule": "linear"}
    assert_same(*both_ways(monkeypatch, backend, runs, batch_size=batch, **train))


def test_warmup_is_a_part_of_the_training_or_steps() -> None:
    part, steps = (train_runs(small_problem(epochs=EPOCHS, warmup=warmup)) for warmup in (2 / 3, 2.0 * STEPS))
    np.testing.assert_allclose(part[0].losses, steps[0].losses, rtol=1e-12)
    assert [row.learning_rate for row in steps[0].epochs] == pytest.approx([0.5 * 8 / 18, 0.5 * 17 / 18, 0.5])


def test_a_new_rate_each_step_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    from xpmlp.backend.compiled import scan

    def programs(**train: Any) -> int:
        traced: list[Any] = []
        monkeypatch.setattr(scan, "trace", lambda *given: traced.append(given) or trace(*given))
        train_runs(small_problem(resolve("numpy", None, "float64").backend, epochs=5, **train))
        return len(traced)

    trace = scan.trace
    assert programs() == programs(schedule="cosine") == programs(schedule="coslog", warmup=0.5) > 0


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_new_rate_each_step_compiles_nothing_on_jax(optimizer: str, get_backend: Any) -> None:
    get_backend("jax")

    def programs(**train: Any) -> int:
        backend: Any = resolve("jax").backend
        train_runs(small_problem(backend, optimizer=optimizer, **train))
        return sum(compiled._cache_size() for compiled in backend._compiled.values())

    assert programs() == programs(schedule="coslog", warmup=0.5, epochs=3) > 0


def test_dropout_ends_with_its_schedule() -> None:
    def losses(**model: Any) -> npt.NDArray[Any]:
        problem = small_problem(epochs=2, learning_rate=0.0, shuffle=False)
        network = ModelConfig(hidden_layer_sizes=[5], activation="tanh", **model)
        config = problem.config.model_copy(update={"model": network})
        return train_runs(ConfigTrainable(config, problem.dataset, problem.backend))[0].losses

    plain, flat, dropped = losses(), losses(dropout=0.5, dropout_schedule="flat_cosine"), losses(dropout=0.5)
    np.testing.assert_array_equal(flat[:STEPS], dropped[:STEPS])  # the same for the first half
    assert not np.isclose(flat[:STEPS], plain[:STEPS]).any()
    late = math.cos(math.pi * (STEPS - 1) / STEPS) / 2 + 0.5
    assert abs(flat[-1] - plain[-1]) < abs(dropped[-1] - plain[-1]) * 10 * late

"""Features specific to JAX: few compilations however long the training, donated buffers, float64 as a mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.helpers import assert_close
from tests.networks import kinds_of, passes
from tests.oracle import random_problem
from xpmlp import nn, optim
from xpmlp.backend import Backend, resolve
from xpmlp.errors import BackendError
from xpmlp.nn import DenseParameters
from xpmlp.optim import Hyperparameters


@pytest.fixture(params=["float32", "float64"])
def backend(request: pytest.FixtureRequest, get_backend: Callable[..., Backend]) -> Backend:
    """A backend of its own, in no session, that has compiled nothing yet."""
    get_backend("jax")
    return resolve("jax", None, request.param).backend


@pytest.fixture
def in_session(backend: Backend) -> Iterator[Backend]:
    with backend.session(batch_size=2):
        yield backend


EXAMPLES, BATCH, SEGMENT = 11, 2, 2


class Training:
    """Epochs of segments of two batches of two: (2, 2), (2, 2), then one batch (1, 2), then the tail (1, 1)."""

    def __init__(self, backend: Backend) -> None:
        problem = random_problem(1, batch=EXAMPLES)
        self.backend, self.traces, self.optimizer = backend, 0, optim.momentum(kinds_of(2))
        self.constants = [backend.asarray(problem.x, backend.dtype), backend.asarray(problem.targets, backend.dtype)]
        parameters = backend.parameters(problem.parameters)
        self.state = (parameters, self.optimizer.init(parameters))

    def step(self, state: Any, batch: Any, constants: Any) -> Any:
        self.traces += 1  # a Python statement: it is run where JAX traces, not where the program runs
        (parameters, optimizer_state), ops, (rows,) = state, self.backend.ops, batch
        (x, targets), rate = constants
        t = ops.xp.take(targets, rows, axis=0)
        inputs = ops.xp.take(x, rows, axis=0)
        done = passes(ops, parameters, inputs, ["tanh"], lambda logits: nn.cross_entropy(ops, logits, t)[1])
        loss, _ = nn.cross_entropy(ops, done.activations[-1], t)
        slopes, settings = done.gradients(rows.shape[0]), Hyperparameters(rate)
        state = self.optimizer.update(ops, parameters, slopes, optimizer_state, settings)
        return state, (ops.xp.mean(loss),)

    def epoch(self, rate: float) -> None:
        full = EXAMPLES // BATCH * BATCH
        batches = np.arange(full).reshape(-1, BATCH)
        segments = [batches[begin : begin + SEGMENT] for begin in range(0, len(batches), SEGMENT)]
        for rows in [*segments, np.arange(full, EXAMPLES)[None, :]]:
            on_device = (self.backend.asarray(rows, self.backend.index_dtype),)
            self.state, _ = self.backend.scan(self.step, self.state, on_device, (self.constants, rate))


def test_three_epochs_compile_no_more_than_one(in_session: Any) -> None:
    training = Training(in_session)
    training.epoch(rate=0.1)
    compiled = in_session.compiled(training.step)
    assert compiled._cache_size() == 3
    # lax.scan traces its body once for the shapes, and once more only where the types of the state do not settle
    assert training.traces == 3
    for rate in (0.05, 0.01):  # a rate is an argument, not baked into the program
        training.epoch(rate)
    assert compiled._cache_size() == 3
    assert training.traces == 3


def test_each_step_function_has_a_program_of_its_own(in_session: Any) -> None:
    batches = (in_session.asarray(np.arange(3.0), in_session.dtype),)
    totals = []
    for sign in (1.0, -1.0):

        def step(total: Any, batch: Any, _: None, sign: float = sign) -> Any:
            return total + sign * batch[0], ()

        for _ in range(2):  # the second time it is the same program
            total, _ = in_session.scan(step, in_session.parameters(np.asarray(0.0)), batches, None)
        assert in_session.compiled(step)._cache_size() == 1
        totals.append(float(total))
    assert totals == [3.0, -3.0]


def test_the_state_is_donated_and_nothing_else(in_session: Backend) -> None:
    training = Training(in_session)
    ((weights, biases), *_), _ = training.state
    velocity = training.state[1].velocity[0].weights
    x = training.constants[0]
    training.epoch(0.1)
    assert weights.is_deleted()
    assert biases.is_deleted()
    assert velocity.is_deleted()
    assert not x.is_deleted()


@pytest.mark.parametrize("runs", [(), (1,), (3,)])
def test_products_transpose_nothing(in_session: Any, runs: tuple[int, ...]) -> None:
    import jax

    def products(x: Any, weights: Any, delta: Any) -> Any:
        ops = in_session.ops
        return (
            ops.multiply_transposed(delta, weights),
            ops.product_of_factors(x, delta),
            ops.add_product(weights, x, delta, in_session.xp.ones((), dtype=in_session.dtype)),
        )

    shapes = ((2, 4), (4, 50), (2, 50))
    arrays = [in_session.xp.ones((*runs, *shape), dtype=in_session.dtype) for shape in shapes]
    program = str(jax.make_jaxpr(products)(*arrays))
    assert program.count("dot_general") == 3
    assert "transpose[" not in program


def test_synchronize_waits(in_session: Backend) -> None:
    matrix = in_session.parameters([np.eye(500)])
    batches = (in_session.asarray(np.zeros(50), in_session.dtype),)
    state, (series,) = in_session.scan(lambda s, b, c: ([s[0] @ s[0]], (s[0][0, 0],)), matrix, batches, None)
    in_session.synchronize()
    assert series.is_ready()
    assert state[0].is_ready()


def test_float64_is_a_mode_of_the_session_only(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("jax", dtype="float64")
    import jax.numpy as jnp

    assert jnp.ones(1).dtype == jnp.float32
    with backend.session(batch_size=2):
        array = backend.parameters(np.ones(3))
        assert (array * 2).dtype == jnp.float64
        assert (jnp.ones(3) + array).dtype == jnp.float64
    assert jnp.ones(1).dtype == jnp.float32


def test_float64_arrays_are_made_and_read_outside_the_session_too(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("jax", dtype="float64")
    third = 1 / 3
    array = backend.parameters([DenseParameters(np.full((1, 1), third), np.zeros((1, 1)))])
    copy = backend.copy(array)
    assert_close(copy[0].weights, [[third]], 0, backend)
    assert_close(backend.asarray([third], backend.dtype), [third], 0, backend)
    with backend.session(batch_size=1):
        (state,), _ = backend.scan(
            lambda state, batch, _: ((state[0] * batch[0],), ()),
            (copy[0].weights,),
            (backend.asarray([3.0], backend.dtype),),
            None,
        )
    assert_close(state, [[1.0]], 1e-16, backend)


def test_float32_stays_float32_where_the_process_is_in_64_bit_mode(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("jax")
    import jax

    with jax.enable_x64(True):
        array = backend.parameters(np.ones(3))
        with backend.session(batch_size=2):
            (state,), _ = backend.scan(
                lambda state, batch, _: ((state[0] + 0.5 * batch[0],), ()),
                (array,),
                (backend.asarray(np.ones(2), backend.dtype),),
                None,
            )
    assert_close(state, [2.0, 2.0, 2.0], 0, backend)


def test_platforms_that_leave_a_device_out_are_named(
    get_backend: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    get_backend("jax")
    import jax

    def find_none(platform: str) -> Any:
        raise AssertionError  # as JAX does where JAX_PLATFORMS=cuda is set and there is no GPU

    monkeypatch.setattr(jax, "devices", find_none)
    monkeypatch.setattr(type(jax.config), "jax_platforms", "cuda", raising=False)
    with pytest.raises(BackendError, match=r"no device 'cpu' here, as JAX is set to the platforms 'cuda': unset JAX_"):
        resolve("jax")

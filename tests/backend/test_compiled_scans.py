"""Programs by step, shapes and constants: cached, used, shared by threads, and compiled whenever possible."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backend.compiled_steps import STEPS, compiled, in_float64, needs_numba
from tests.helpers import relative_difference
from xpmlp.backend import Backend, resolve
from xpmlp.backend.base import Backend as Plain
from xpmlp.backend.numpy import WORTH_COMPILING

pytest.importorskip("numba", reason=needs_numba)

from xpmlp.backend.compiled import CompiledSteps, compilation, program
from xpmlp.backend.compiled.instructions import NotTraceableError
from xpmlp.backend.compiled.tracing import trace

ROOT = Path(__file__).parents[2]


@in_float64
def test_numbers_among_the_constants_are_followed(backend: Any) -> None:
    def step(state: Any, batch: Any, rate: float) -> Any:
        return (state[0] - rate * batch[0],), (batch[0] + 0,)

    for rate in (0.5, 0.25, 0.5):
        (after,), _ = compiled(backend, step, (np.zeros(2),), (np.ones((STEPS, 2)),), rate)
        np.testing.assert_array_equal(after, -STEPS * rate)


@in_float64
def test_equal_numbers_that_are_not_the_same(backend: Any) -> None:
    for divisor, wanted in ((0.0, np.inf), (-0.0, -np.inf), (np.nan, np.nan), (1, 1.0), (True, 1.0)):
        _, (quotient,) = compiled(
            backend, _divide, (np.zeros(1),), (np.ones((1, 2)),), divisor if divisor is not True else 1.0
        )
        np.testing.assert_array_equal(quotient, [[wanted, wanted]])


def _divide(state: Any, batch: Any, divisor: float) -> Any:
    return state, (batch[0] / divisor,)


@in_float64
def test_the_state_comes_back_in_its_own_containers(backend: Any) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        state[0].__iadd__(batch[0])
        return state, (batch[0] + 0,)

    for container in (list, tuple):
        after, _ = compiled(backend, step, container([np.zeros(2)]), (np.ones((1, 2)),))
        assert type(after) is container


@in_float64
def test_a_step_may_fold_another(backend: Any) -> None:
    def inner(state: Any, batch: Any, _: Any) -> Any:
        return (state[0] + batch[0],), (batch[0] + 0,)

    def step(state: Any, batch: Any, _: Any) -> Any:
        (total,), _ = backend.scan(inner, (np.zeros(2),), (np.ones((3, 2)),), None)
        return (state[0] + total,), (batch[0] + 0,)

    (after,), _ = backend.scan(step, (np.zeros(2),), (np.ones((1, 2)),), None)
    assert after.tolist() == [3.0, 3.0]


@in_float64
def test_programs_are_kept_within_bounds(backend: Any) -> None:
    def step(state: Any, batch: Any, rate: float) -> Any:
        return (state[0] - rate * batch[0],), (batch[0] + 0,)

    for number in range(250):
        compiled(backend, step, (np.zeros(2),), (np.ones((1, 2)),), float(number))
    assert len(backend._scans._programs[step]) <= 100
    before = len(backend._scans._programs)
    del step
    gc.collect()
    assert len(backend._scans._programs) < before


@in_float64
def test_threads_do_not_disturb_each_other(backend: Any, rng: np.random.Generator) -> None:
    def step(state: Any, batch: Any, _: Any) -> Any:
        z = batch[0] @ state[0]
        return (state[0] + 0.01 * np.tanh(z),), (z + 1.0,)

    starts = [rng.normal(size=(20, 20)) for _ in range(6)]
    batches = (rng.normal(size=(200, 20, 20)),)
    expected = [Plain.scan(backend, step, (start.copy(),), batches, None)[1][0] for start in starts]
    results: dict[int, Any] = {}

    def work(index: int) -> None:
        results[index] = compiled(backend, step, (starts[index].copy(),), batches)[1][0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, wanted in enumerate(expected):
        assert relative_difference(results[index], wanted) < 1e-9


@in_float64
def test_memory_is_used_again(backend: Backend) -> None:
    """A long chain of temporary arrays takes the memory of a few."""

    def step(state: Any, batch: Any, _: Any) -> Any:
        x = batch[0]
        for _ in range(30):
            x = x @ batch[0]
        return state, (x + 0,)

    traced = trace(step, (), (np.ones((8, 8)),), None, np.float64)
    assert program.assemble(traced, 1, np.float64).memory <= 2 * 8 * 8 * 8
    with pytest.raises(NotTraceableError):
        trace(lambda state, batch, _: (state, (np.arctan(batch[0]),)), (), (np.ones((8, 8)),), None, np.float64)


@pytest.mark.parametrize("problem", [RuntimeError("no locator"), OSError(28, "full"), EOFError()], ids=repr)
def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same(
    problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no place for it, no room, or what is there is damaged."""

    def works(*_: Any) -> bool:
        return True

    def njit(*, cache: bool = False, **_: Any) -> Callable[[Any], Any]:
        def compiled(function: Any) -> Any:
            if not cache:
                return works
            asked.append(function.__name__)
            raise problem

        return compiled

    asked: list[str] = []
    monkeypatch.setattr(compilation, "njit", njit)
    assert compilation._compiled.__wrapped__(np.int64, np.float64) is works
    assert compilation._compiled.__wrapped__(np.int64, np.float32) is works
    assert [name.rpartition("_")[0] for name in asked] == ["execute_float64", "execute_float32"]  # files of their own


def test_whether_the_loop_has_to_be_compiled_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = resolve("numpy").backend
    with backend.session(1):
        assert not backend.compiles_first()
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    assert backend.compiles_first()
    assert not resolve("numpy", fused=False).backend.compiles_first()


def test_a_few_predictions_do_not_wait_for_compilation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, batches = resolve("numpy").backend, np.arange(6, dtype=np.float32).reshape(3, 2)

    def running_sums() -> list[list[float]]:
        state = (np.zeros(2, np.float32),)
        return backend.scan(lambda s, b, c: ((s[0] + b[0],), (s[0] + b[0],)), state, (batches,), None)[1][0].tolist()

    with backend.session(1, predicted=WORTH_COMPILING - 1):  # the loop is on disk: it is used
        assert backend._session.scans is not None
        assert running_sums() == [[0, 1], [2, 4], [6, 9]]
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path))
    prepared = []
    monkeypatch.setattr(CompiledSteps, "prepare", lambda _, threads: prepared.append(threads) or threads)
    with backend.session(1, predicted=WORTH_COMPILING - 1):
        assert not prepared
        assert backend._session.scans is None
        assert running_sums() == [[0, 1], [2, 4], [6, 9]]
        with backend.session(1):
            assert prepared
            assert backend._session.scans is not None
        assert backend._session.scans is None
    with backend.session(1, predicted=WORTH_COMPILING):
        assert len(prepared) == 2
    assert not vars(backend._session)


@pytest.mark.slow
def test_a_damaged_file_of_numbas_is_no_hindrance(tmp_path: Path) -> None:
    code = (
        "import numpy as np; from xpmlp.backend import resolve\n"
        "b = resolve('numpy').backend\n"
        "x = np.ones((1, 2), 'float32')\n"
        "print(b.compiles_first())\n"
        "print(b.scan(lambda s, b, c: ((s[0] + b[0],), (b[0] + 0,)), (x,), (x[None],), None)[0][0])\n"
    )
    with resolve("numpy").backend.session(1):  # compiled, and kept beside the code if that may be written to
        shutil.copytree(ROOT / "xpmlp", tmp_path / "xpmlp")
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    if run() == "True\n[[2. 2.]]\n":  # there was nothing to copy
        assert run() == "False\n[[2. 2.]]\n"
    files = [*tmp_path.rglob("*.nbi"), *tmp_path.rglob("*.nbc")]
    assert files
    for path in files:
        os.truncate(path, 5)
    assert run() == "False\n[[2. 2.]]\n"


def test_without_numba_steps_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compiling: Any = resolve("numpy").backend
    assert compiling.version.startswith(f"{np.__version__}+numba")
    monkeypatch.setitem(sys.modules, "numba", None)
    plain: Any = resolve("numpy").backend
    assert plain._scans is None
    assert plain.version == np.__version__
    assert resolve("numpy", fused=False).backend.version == np.__version__

"""Importing, fitting and predicting leave the state of their process unchanged."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import xpmlp
from tests.helpers import cases
from xpmlp import MLPClassifier, MLPRegressor
from xpmlp.backend import Backend, blas_threads_at_most, resolve
from xpmlp.backend.process_setting import ProcessSetting
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.errors import BackendError, DivergenceError

ROOT = Path(__file__).parents[1]
X = np.random.default_rng(0).normal(size=(300, 5)) * 300
Y = np.digitize(X[:, 0], [-200, 200])

ON_CPU = [
    *(case for case in cases("numpy", "torch", "strict", dtype="float64") if case.values[0].device == "cpu"),
    *(
        pytest.param(*case.values, marks=pytest.mark.slow, id=case.id)  # JAX compiles long
        for case in cases("jax", dtype="float64")
        if case.values[0].device == "cpu"
    ),
]

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]


def blas_threads() -> list[tuple[str, int]]:
    return sorted((one["filepath"], one["num_threads"]) for one in threadpool_info() if one["user_api"] == "blas")


def process() -> dict[str, Any]:
    """The settings that other code in this process may rely on."""
    found: dict[str, Any] = {
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "floating point": np.geterr(),
        "random": (random.getstate(), repr(np.random.get_state())),  # noqa: NPY002
        # those that are kept for the next step sleep, as the threads of BLAS do
        "threads": {one.name for one in threading.enumerate() if not one.name.startswith("xpmlp")},
        "blas": blas_threads(),
        "interpreter": (
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            gc.get_threshold(),
            sys.excepthook,
            sys.path[:],
        ),
        "place": (Path.cwd(), sys.stdout, sys.stderr),
    }
    if Path("/proc/self/fd").exists():
        import resource

        found["files"] = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
        limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
        found["limits"] = {name: resource.getrlimit(getattr(resource, name)) for name in limits}
    if "torch" in sys.modules:
        import torch

        found["torch"] = (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.random.get_rng_state().tolist(),
        )
    if "jax" in sys.modules:
        import jax

        names = ("jax_enable_x64", "jax_default_matmul_precision", "jax_default_device", "jax_debug_nans")
        found["jax"] = [getattr(jax.config, name) for name in names]
    if "matplotlib" in sys.modules:
        import matplotlib

        found["matplotlib"] = dict(matplotlib.rcParams)
    return found


def fit_and_predict(backend: Backend, folder: Path) -> None:
    ours = MLPClassifier((4,), max_iter=2, random_state=0, backend=backend.name, early_stopping=True).fit(X, Y)
    ours.predict(X), ours.predict_log_proba(X), ours.score(X, Y)
    ours.save(folder / "network")
    MLPClassifier.load(folder / "network")
    MLPClassifier((4,), random_state=0, backend=backend.name).partial_fit(X, Y, classes=[0, 1, 2])
    MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0, backend=backend.name, solver="lbfgs").fit(X, Y)


def fail_to_fit(backend: Backend, folder: Path) -> None:
    network = MLPRegressor(
        solver="sgd", learning_rate_init=1e9, activation="identity", random_state=0, backend=backend.name
    )
    with pytest.raises(ValueError, match="non-finite"):
        network.fit(X, Y)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        MLPRegressor(callbacks=[fail], random_state=0, backend=backend.name).fit(X, Y)


def train_and_use(backend: Backend, folder: Path) -> None:
    config = Config(
        backend=BackendConfig(name=backend.name, dtype=backend.dtype_name, threads=1),
        data=DataConfig(name="arrays"),
        model=ModelConfig(hidden_layer_sizes=[4]),
        train=TrainConfig(epochs=1),
        output=OutputConfig(plots=False),
    )
    data = xpmlp.from_arrays(X, Y, validation=(X, Y))
    xpmlp.train(config, folder / "run", data=data)
    xpmlp.predict(folder / "run", X)
    config.train.__dict__["learning_rate"] = 1e300
    with pytest.raises(DivergenceError):
        xpmlp.train(config, data=data)


@pytest.mark.parametrize("backend", ON_CPU, indirect=True)
@pytest.mark.parametrize("use", [fit_and_predict, fail_to_fit, train_and_use])
def test_a_call_leaves_the_process_as_it_was(
    use: Callable[[Backend, Path], None], backend: Backend, tmp_path: Path
) -> None:
    before = process()
    use(backend, tmp_path)
    assert process() == before


@pytest.mark.parametrize("backend", ON_CPU, indirect=True)
@pytest.mark.parametrize("use", [fit_and_predict, train_and_use])
def test_a_program_that_stops_at_floating_point_errors(
    use: Callable[[Backend, Path], None], backend: Backend, tmp_path: Path
) -> None:
    with np.errstate(all="raise"):
        use(backend, tmp_path)


def test_import_and_fit_in_a_fresh_process() -> None:
    """The allocator's settings can be neither read nor put back: nobody may have set them."""
    code = """
import os, signal, threading, warnings
import numpy as np, sklearn.neural_network, sklearn.exceptions
warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
def process():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return handlers, dict(os.environ), list(warnings.filters), np.geterr(), threading.active_count()
before = process()
import xpmlp
assert process() == before
xpmlp.MLPClassifier((4,), max_iter=1).fit(np.ones((4, 2)), [0, 1, 0, 1]).predict(np.ones((4, 2)))
assert process() == before
from xpmlp._malloc import keep_freed_memory
assert keep_freed_memory.cache_info().currsize == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_overlapping_sessions_put_back_what_the_first_one_found() -> None:
    backend = resolve("numpy").backend
    first, second = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def other() -> None:
        with backend.session(1000):
            first.wait()
            second.wait()  # meanwhile the session that began before ends

    with threadpool_limits(4, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        with backend.session(1):
            running = pool.submit(other)
            first.wait()
        second.wait()
        running.result()
        assert blas_threads() == before


def test_a_session_within_another_puts_back_the_outer_ones_threads() -> None:
    backend = resolve("numpy").backend
    with threadpool_limits(4, user_api="blas"), backend.session(32):
        before = blas_threads()
        with backend.session(1000):
            assert blas_threads() != before
        assert blas_threads() == before


def test_a_bound_of_threads_is_put_back_when_bounds_overlap() -> None:
    backend = resolve("numpy").backend
    first, second = threading.Barrier(2, timeout=60), threading.Barrier(2, timeout=60)

    def other() -> None:
        with blas_threads_at_most(2), backend.session(1000):
            assert backend.threads_in_use() == 2
            first.wait()
            second.wait()

    with threadpool_limits(4, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        with blas_threads_at_most(1), backend.session(1000):
            assert backend.threads_in_use() == 1
            running = pool.submit(other)
            first.wait()
        second.wait()
        running.result()
        assert blas_threads() == before


def test_each_thread_puts_back_what_the_library_keeps_for_it() -> None:
    written: list[tuple[str, int]] = []
    setting = ProcessSetting(
        lambda: 7, lambda value: written.append((threading.current_thread().name, value)), of_thread=True
    )

    def other() -> None:
        with setting.borrowed():
            pass

    with setting.borrowed(), ThreadPoolExecutor(1, "other") as pool:
        pool.submit(other).result()
    assert written == [("other_0", 7), ("MainThread", 7)]


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork processes")


def _fit(seed: int, backend: str | None = None) -> float:
    network = MLPClassifier((100,), max_iter=2, random_state=seed, backend=backend)
    return float(network.fit(np.tile(X, 12), Y).loss_)


def _in_child(check: Callable[[], bool]) -> bool:
    """Call a function in a forked child, which has half a minute; whether it was true there."""
    child = multiprocessing.get_context("fork").Process(target=lambda: os._exit(0 if check() else 1), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python and JAX warn of forks beside threads: that is what is tried
        child.start()
    child.join(30)
    child.kill()
    return child.exitcode == 0


@forking
def test_a_process_that_is_forked_beside_a_session_has_limits_and_locks_of_its_own() -> None:
    from xpmlp.backend.blas import THREADS
    from xpmlp.backend.compiled import compilation

    backend = resolve("numpy").backend
    begun, done = threading.Event(), threading.Event()

    def other() -> None:
        with backend.session(1), THREADS.held_to_one(), THREADS._lock:
            begun.set()
            done.wait(60)

    with threadpool_limits(4, user_api="blas"):
        expected, before = _fit(0), blas_threads()
        thread = threading.Thread(target=other)
        thread.start()
        begun.wait(60)
        try:
            assert _in_child(lambda: blas_threads() == before and _fit(0) == expected and blas_threads() == before)
            with compilation._one_at_a_time:  # by the thread that forks, as in a signal's handler
                assert _in_child(lambda: _fit(0) == expected)
        finally:
            done.set()
            thread.join()


@forking
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_child_of_a_process_that_has_fitted_fits_the_same(name: str, get_backend: Any) -> None:
    get_backend(name)
    expected = _fit(0, name)
    assert _in_child(lambda: abs(_fit(0, name) - expected) < 1e-9)


@forking
def test_tables_are_refused_in_a_child_of_a_process_that_has_read_some() -> None:
    frame = {"a": [1.0, 2.0] * 6}
    xpmlp.TableEncoder().fit(frame)

    def refused() -> bool:
        with pytest.raises(BackendError, match="forked from one that has read some: start processes by"):
            xpmlp.TableEncoder().fit(frame)
        return True

    assert _in_child(refused)


@forking
def test_jax_is_refused_in_a_forked_child(get_backend: Any) -> None:
    get_backend("jax")

    def refused() -> bool:
        with pytest.raises(BackendError, match="forked from one that has used it"):
            _fit(0, "jax")
        return True

    assert _in_child(refused)


def _interrupted(handler: Any) -> tuple[int, Any]:
    """Epochs of a fit in which Ctrl-C comes where ``handler`` is the process's own."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        network = MLPClassifier(
            (4,), max_iter=3, random_state=0, callbacks=[lambda *_: signal.raise_signal(signal.SIGINT)]
        )
        return network.fit(X, Y).n_iter_, signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises no SIGINT in the process itself")
def test_a_handler_of_the_processs_own_goes_on_hearing_of_ctrl_c() -> None:
    heard: list[int] = []

    def own(number: int, frame: Any) -> None:
        heard.append(number)

    assert _interrupted(own) == (3, own)
    assert heard == [signal.SIGINT] * 3
    assert _interrupted(signal.SIG_IGN) == (3, signal.SIG_IGN)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        assert _interrupted(signal.default_int_handler) == (1, signal.default_int_handler)


def test_a_bar_on_a_terminal_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    before = {one.name for one in threading.enumerate() if not one.name.startswith("xpmlp")}
    MLPClassifier((4,), max_iter=2, verbose=True).fit(X, Y)
    assert {one.name for one in threading.enumerate() if not one.name.startswith("xpmlp")} == before

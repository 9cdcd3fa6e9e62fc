"""Array libraries and compilers that are installed but broken: reported, and everything else works."""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xpmlp import _notices, load_config, train
from xpmlp.backend import probe, resolve
from xpmlp.errors import BackendError, XpmlpError
from xpmlp.grid.schedule import run_on_dask
from xpmlp.tensorboard import check_installed

PACKAGES = {"cupy": "cupy", "torch": "torch", "jax": "jax", "strict": "array_api_strict"}

Break = Callable[[str, str | None], Path]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Break:
    """A function that puts a package before an installed one, with this code or as a mere folder."""

    def put(package: str, code: str | None) -> Path:
        with contextlib.suppress(ImportError):  # it keeps what it finds
            importlib.import_module(f"array_api_compat.{package}")
        folder = tmp_path / "path" / package
        folder.mkdir(parents=True)
        if code is not None:
            (folder / "__init__.py").write_text(code)
            monkeypatch.syspath_prepend(folder.parent)
        else:  # an installed package would be found before a mere folder
            monkeypatch.setattr(sys, "path", [str(folder.parent)])
        monkeypatch.setitem(sys.modules, package, None)  # so that it is as before after the test
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        return folder

    return put


@pytest.mark.parametrize("code", ["raise OSError('lib.so: not found')", "import sys; sys.exit(1)", "", None])
@pytest.mark.parametrize("name", PACKAGES)
def test_a_backend_says_why_it_is_not_usable(name: str, code: str | None, broken: Break) -> None:
    resolve("numpy")  # imports what it needs before the path is another
    folder = broken(PACKAGES[name], code)
    with pytest.raises(BackendError, match=rf"^backend {name} needs .*install it with `pip install") as caught:
        resolve(name)
    assert str(folder) in str(caught.value)
    report = probe(name)
    assert report.devices == []
    assert str(report.problem).startswith(f"backend {name} needs ")


def test_auto_passes_over_broken_libraries_and_says_so(broken: Break) -> None:
    folders = [broken(name, f"raise RuntimeError('{name}: of another NumPy')") for name in ("cupy", "torch", "jax")]
    backend, reason = resolve("auto")
    assert backend.name == "numpy"
    for folder in folders:
        file, name = folder / "__init__.py", folder.name
        assert f"{file} fails (RuntimeError: {name}: of another NumPy)" in str(reason)
    assert "pip install" not in str(reason)


@pytest.mark.parametrize(
    ("module", "name"), [("torch", "empty"), ("torch", "from_numpy"), ("jax", "devices"), ("jax", "device_put")]
)
def test_a_library_that_fails_once_it_is_used(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip(module, reason=f"needs {module}")

    def fail(*arguments: Any, **options: Any) -> Any:
        raise SystemError("driver and library do not match")

    if name == "from_numpy":  # how PyTorch reads NumPy's arrays if it was built for another version
        monkeypatch.setattr(library, "asarray", fail)
    else:
        monkeypatch.setattr(library, name, fail)
    assert "(SystemError: driver and library do not match)" in str(probe(module).problem)


@pytest.mark.parametrize("code", ["raise RuntimeError('llvmlite is of another version')", "raise BaseException", ""])
def test_steps_run_without_a_broken_numba(
    code: str, broken: Break, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_notices, "_shown", set())
    folder = broken("numba", code)
    with warnings.catch_warnings(action="error"):  # which a user may ask for, and which must not end a training
        backends: list[Any] = [resolve("numpy").backend, resolve("numpy").backend]
    assert all(backend._scans is None for backend in backends)
    (said,) = caplog.messages
    assert "steps run as they are written" in said
    assert str(folder) in said


def test_dask_and_the_writer_of_event_files_that_are_broken(broken: Break) -> None:
    for package in ("distributed", "tensorboardX"):
        broken(package, "raise TypeError('Descriptors cannot be created directly')")
    with pytest.raises(BackendError, match=r"tcp://nowhere:1' needs Dask, but .*Descriptors"):
        run_on_dask([], "tcp://nowhere:1", lambda: False, lambda block, outcomes: None)
    with pytest.raises(BackendError, match=r"output\.tensorboard = true needs tensorboardX, but .*Descriptors"):
        check_installed()


def test_a_broken_reader_of_tables_is_a_sentence(broken: Break, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[data]\nname = "csv"\npath = "table.csv"\ntarget = "y"\n')
    (tmp_path / "table.csv").write_text("x,y\n" + "1,a\n2,b\n" * 20)
    broken("polars", "raise RuntimeError('no AVX')")
    with pytest.raises(XpmlpError, match=r"needs polars, but .*\(RuntimeError: no AVX\)"):
        train(load_config(config))

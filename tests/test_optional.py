"""Optional libraries that are missing, broken, or empty folders: one sentence each, and no side effects."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from xpmlp._optional import Library, NotInstalledError
from xpmlp.errors import BackendError, DataError

PRETEND = Library("xpmlp_pretend", "Pretend", "pretend")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the package, first on the path; it is forgotten again after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in (PRETEND.package, "xpmlp_broken"):
        monkeypatch.setitem(sys.modules, name, None)  # so that what the test imports is taken away after it
        del sys.modules[name]
    package = tmp_path / PRETEND.package
    package.mkdir()
    return package


def sentence_of(use: Callable[[], None] = lambda: None) -> str:
    """The message when the library is imported for ``use``."""
    with pytest.raises(BackendError) as caught, PRETEND.needed_by("a test"):
        use()
    assert not isinstance(caught.value, NotInstalledError)
    sentence = str(caught.value)
    assert sentence.startswith("a test needs Pretend, ")
    assert "\n" not in sentence
    return sentence


def import_a_part() -> None:
    importlib.import_module(f"{PRETEND.package}.missing")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('libcudart.so.13: cannot open')", "(OSError: libcudart.so.13: cannot open)"),
        ("raise RuntimeError('compiled against\\nanother NumPy.')", "(RuntimeError: compiled against another NumPy)"),
        ("raise AttributeError('_ARRAY_API not found')", "(AttributeError: _ARRAY_API not found)"),
        ("raise ImportError('page of advice') from OSError('the cause')", "(OSError: the cause)"),
        ("raise KeyError('HOME')", "(KeyError: 'HOME')"),
        ("raise SystemError", "(SystemError)"),
        ("raise MemoryError", "(MemoryError)"),
        ("raise GeneratorExit", "(GeneratorExit)"),
        ("raise StopIteration", "(StopIteration)"),
        ("raise BaseException('odd')", "(BaseException: odd)"),
        (
            "class Odd(BaseException):\n    def __str__(self): raise ValueError\nraise Odd",
            "Odd: <exception str() failed>",
        ),
        ("import sys; sys.exit(3)", "(SystemExit: 3)"),
        ("import xpmlp_no_such_module", "(ModuleNotFoundError: No module named 'xpmlp_no_such_module')"),
        ("this is no Python", "SyntaxError: invalid syntax"),
        ("raise ValueError('long ' * 1000)", "long ...)"),
    ],
    ids=lambda value: value[:20],
)
def test_whatever_an_import_raises_is_the_reason(folder: Path, code: str, reason: str) -> None:
    (folder / "__init__.py").write_text(code)
    sentence = sentence_of()
    assert reason in sentence
    assert str(folder) in sentence
    assert sentence.endswith(": repair it or install it with `pip install pretend`.")
    assert len(sentence) < 700
    assert PRETEND.package not in sys.modules


def test_a_library_whose_parts_are_missing_is_broken(folder: Path) -> None:
    (folder / "__init__.py").write_text("version = '0.1'")
    assert f"{folder / '__init__.py'} fails (ModuleNotFoundError" in sentence_of(import_a_part)


def test_a_mere_folder_is_no_library(folder: Path) -> None:
    assert f"which is not installed ({folder} is a mere folder): install it with" in sentence_of()
    assert PRETEND.package not in sys.modules


def test_a_module_that_was_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PRETEND.package, types.ModuleType(PRETEND.package))
    assert "but the module of that name in this process fails (Module" in sentence_of(import_a_part)


def test_a_library_that_is_missing() -> None:
    with pytest.raises(NotInstalledError, match="which is not installed: install it with"), PRETEND.needed_by("a test"):
        pytest.fail("the block was entered")


def test_warnings_of_an_import_are_nobodys_error(folder: Path) -> None:
    (folder / "__init__.py").write_text("import warnings; warnings.warn('old'); warnings.simplefilter('ignore')")
    before = list(warnings.filters)
    with PRETEND.needed_by("a test"):
        pass
    assert warnings.filters == before


def test_errors_of_the_program_and_of_the_keyboard_pass(folder: Path) -> None:
    (folder / "__init__.py").write_text("")
    for error in (DataError("ours"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, PRETEND.needed_by("a test"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("error", ["OSError", "SystemExit", "RuntimeError"])
def test_a_library_works_without_its_own_optional_package_that_is_broken(folder: Path, error: str) -> None:
    (folder.parent / "xpmlp_broken.py").write_text(f"raise {error}")
    (folder / "__init__.py").write_text("try:\n    import xpmlp_broken\nexcept ImportError:\n    found = False")
    with PRETEND.needed_by("a test"):
        assert sys.modules[PRETEND.package].found is False
    assert "xpmlp_broken" not in sys.modules


def test_a_library_fails_with_a_package_that_it_requires(folder: Path) -> None:
    (folder.parent / "xpmlp_broken.py").write_text("raise OSError('of another system')")
    (folder / "__init__.py").write_text("import xpmlp_broken")
    sentence = sentence_of()
    assert f"but {folder.parent / 'xpmlp_broken.py'} fails (OSError: of another system)" in sentence
    assert "xpmlp_broken" not in sys.modules

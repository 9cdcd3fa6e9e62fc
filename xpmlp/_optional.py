"""Optional libraries: imported where needed, with a one-sentence error if they are missing or broken."""

from __future__ import annotations

import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from xpmlp.errors import BackendError, XpmlpError

REASON_LENGTH = 300
"""Maximum number of characters quoted of a library's own error: some print a page."""


class NotInstalledError(BackendError):
    """An optional library that is not installed."""


class Library(NamedTuple):
    """An optional library.

    Attributes
    ----------
    package : str
        The package to import.
    name : str
        The library's name in messages.
    requirement : str
        The requirement for pip, quoted for a shell.
    advice : str
        Further advice on installing it.
    """

    package: str
    name: str
    requirement: str
    advice: str = ""

    @property
    def install(self) -> str:
        """Advice on installing it, as the end of a sentence."""
        return f"install it with `pip install {self.requirement}`{self.advice}"

    @contextmanager
    def needed_by(self, user: str) -> Iterator[None]:
        """Import the library for a block of code, and turn any failure into a one-sentence error.

        The block imports the names that it uses and tries anything that may fail in a broken installation.  A library
        may raise any exception there and may call `sys.exit`; Python imports a mere folder of its name as an empty
        package.  Errors of this program and Ctrl-C pass.

        Warnings during the package's import concern its authors and are not shown: if the host turned them into errors,
        a working library would seem broken.

        Parameters
        ----------
        user : str
            The feature that needs it, as the beginning of a sentence.

        Raises
        ------
        NotInstalledError
            If it is not installed.
        BackendError
            If it is installed, but cannot be imported or fails in the block.
        """
        need = f"{user} needs {self.name}"
        try:
            spec = find_spec(self.package)
        except ValueError:  # a module created by hand
            spec = ModuleSpec(self.package, None, origin="the module of that name in this process")
        if spec is None:
            raise NotInstalledError(f"{need}, which is not installed: {self.install}.")
        if spec.origin is None and spec.submodule_search_locations is not None:
            folder = next(iter(spec.submodule_search_locations))
            raise BackendError(f"{need}, which is not installed ({folder} is a mere folder): {self.install}.")
        try:
            if self.package not in sys.modules:
                with warnings.catch_warnings(action="ignore"):
                    _import(self.package)
            yield
        except (KeyboardInterrupt, XpmlpError):
            raise
        except BaseException as error:
            file = _source(error) or spec.origin
            raise BackendError(f"{need}, but {file} fails ({_reason(error)}): repair it or {self.install}.") from error


SCIKIT_LEARN = Library("sklearn", "scikit-learn", "scikit-learn")
"""Required, but unusable where an optional package of its own is broken."""


def _import(package: str) -> None:
    """Import a package; if another that it imports is broken, retry as if that one were not installed.

    Libraries handle an optional package that is missing, but not one that raises another error.
    """
    try:
        import_module(package)
    except BaseException as error:
        modules = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
        broken = modules[-1].f_globals["__name__"].partition(".")[0] if modules else package
        if isinstance(error, ImportError | KeyboardInterrupt) or broken == package:
            raise
        sys.modules[broken] = None  # type: ignore[assignment]  # to Python: it is not installed
        try:
            import_module(package)
        except ImportError:
            raise error from None
        finally:
            del sys.modules[broken]


def _source(error: BaseException) -> str | None:
    """Return the file that raised an error; ``None`` for a file of this package, which used a missing name."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    is_ours = Path(frame.filename).is_relative_to(Path(__file__).parent)
    return None if is_ours or not Path(frame.filename).is_file() else frame.filename


def _reason(error: BaseException) -> str:
    """Return the type and text, in one line, of an error's first cause: libraries wrap it in their own advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(traceback.format_exception_only(error)).strip().rstrip(".")
    return textwrap.shorten(text, REASON_LENGTH, placeholder=" ...")

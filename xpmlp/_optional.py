"""Optional libraries: imported where they are needed, and refused in one sentence if they are missing or broken."""

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
"""Characters of a library's own error that a message quotes: some print a page."""


class NotInstalledError(BackendError):
    """An optional library that is not installed."""


class Library(NamedTuple):
    """An optional library.

    Attributes
    ----------
    package : str
        The package that is imported.
    name : str
        For people.
    requirement : str
        For pip, quoted for a shell.
    advice : str
        What else there is to say about installing it.
    """

    package: str
    name: str
    requirement: str
    advice: str = ""

    @property
    def install(self) -> str:
        """How to install it: the end of a sentence."""
        return f"install it with `pip install {self.requirement}`{self.advice}"

    @contextmanager
    def needed_by(self, user: str) -> Iterator[None]:
        """Import the library for a block of code, and turn whatever goes wrong with it into one sentence.

        The block imports the names that it uses and tries what may fail in a broken installation.  A library may raise
        anything there and may call `sys.exit`; Python imports a mere folder of its name as an empty package.  Errors of
        this program and Ctrl-C pass.

        Warnings while the package is imported concern its own authors and are not shown: if the host turns
        warnings into errors, a library that works would seem broken.

        Parameters
        ----------
        user : str
            For what it is needed: the beginning of a sentence.

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
        except ValueError:  # a module that was made by hand
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
"""Required, but of no use where an optional package of its own is broken."""


def _import(package: str) -> None:
    """Import a package; if another that it imports is broken, then as if that one were not installed.

    A library is prepared for an optional package that is missing, but not for one that raises anything else.
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
    """The file that an error comes from; ``None`` if that is one of ours, which asked for what is not there."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    is_ours = Path(frame.filename).is_relative_to(Path(__file__).parent)
    return None if is_ours or not Path(frame.filename).is_file() else frame.filename


def _reason(error: BaseException) -> str:
    """The type and text, in one line, of an error's first cause: libraries wrap it in advice of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(traceback.format_exception_only(error)).strip().rstrip(".")
    return textwrap.shorten(text, REASON_LENGTH, placeholder=" ...")

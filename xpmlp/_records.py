"""Tables of records by name, for everything that a config chooses by name.

A name is a key of the table, or ``module:object`` for a record outside the package.  Looking a name up imports
nothing: only `RecordTable.admit` imports the module named, if the user allows it.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any, Generic, TypeVar

from xpmlp.errors import ConfigError, XpmlpError

Record = TypeVar("Record")

OUTSIDE = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*"
"""The pattern of ``module:object``."""

_UNIMPORTABLE = "__main__:"
"""The prefix of the names of objects that no other process can import."""


def is_outside(name: str) -> bool:
    """Whether a name is ``module:object``."""
    return re.fullmatch(OUTSIDE, name) is not None


def is_importable(name: str) -> bool:
    """Whether another process can import the object of a name, unlike those of a main program or a function."""
    return not name.startswith(_UNIMPORTABLE)


class RecordTable(Mapping[str, Record], Generic[Record]):
    """The records of one kind by name, in the order of the documentation.

    Iteration gives the table's own names; lookup also finds records from outside that were admitted or registered.

    Parameters
    ----------
    kind : str
        The kind's name in messages: ``activation``.
    record_type : type
        The type of every record.
    records : mapping
        The table's own records.
    """

    def __init__(self, kind: str, record_type: Any, records: Mapping[str, Record]) -> None:
        self.kind, self.record_type = kind, record_type
        self._records = dict(records)
        self._given: dict[str, Record] = {}
        self._outside: dict[str, Record] = {}

    def __getitem__(self, name: str) -> Record:
        """Look up a record by name.

        Raises
        ------
        ConfigError
            If it is from outside and was not admitted.
        KeyError
            If there is no such record.
        """
        record = self.find(name)
        if record is not None:
            return record
        raise _not_allowed(f"the {self.kind} {name!r}") if is_outside(name) else KeyError(name)

    def find(self, name: str) -> Record | None:
        """Find a record by name; ``None`` if there is none, or it is not imported."""
        return self._records.get(name, self._outside.get(name))

    def __contains__(self, name: object) -> bool:
        return name in self._records or name in self._outside

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def admit(self, name: str, key: str, *, allow_code: bool) -> None:
        """Import the record named by ``module:object``; any other name is ignored.

        Parameters
        ----------
        name : str
        key : str
            The config key of the name, for messages: ``model.activation``.
        allow_code : bool
            Whether the user allows it.

        Raises
        ------
        ConfigError
            If it is not allowed, cannot be imported, or is not a record of this kind.
        """
        if name in self or not is_outside(name):
            return
        subject, (module, _, attribute) = f'{key} = "{name}"', name.partition(":")
        if not allow_code:
            raise _not_allowed(subject)
        if not is_importable(name):
            raise ConfigError(f"{subject} is an object of a program that has ended: put it in a module.")
        self._keep(name, self._checked(_imported(module, subject), attribute, subject))

    def _checked(self, module: Any, attribute: str, subject: str) -> Record:
        if not hasattr(module, attribute):
            raise ConfigError(f"{subject}: {module.__name__} has no {attribute!r}.")
        record: Record = getattr(module, attribute)
        if not isinstance(record, self.record_type):
            wanted = getattr(self.record_type, "__name__", self.record_type)
            raise ConfigError(f"{subject} is of type {type(record).__name__}; a record of {wanted} is needed.")
        return record

    def register(self, record: Record) -> str:
        """Name a record passed from Python, and keep it for lookup by that name.

        Returns
        -------
        name : str
            Its own name in the table; else ``module:object``, if an importable module has it; else ``__main__:...``.
        """
        for name, known in [*self._records.items(), *self._given.items(), *self._outside.items()]:
            if known == record:  # scikit-learn's clones hold copies
                return name
        plain = getattr(record, "name", None) or getattr(record, "__name__", None)
        name = _importable_name(record) or _UNIMPORTABLE + re.sub(r"\W", "_", plain or self.kind, flags=re.ASCII)
        while not is_importable(name) and name in self._outside:
            name += "_"
        self._keep(name, record)
        return name

    def _keep(self, name: str, record: Any) -> None:
        """Keep a record from outside for lookup, with the name set in the record if it has such a field."""
        self._given[name] = record
        self._outside[name] = record._replace(name=name) if "name" in getattr(record, "_fields", ()) else record

    def sentence(self, name: str) -> str:
        """Return the documentation of a record, in a sentence."""
        record = self[name]
        said = [getattr(record, field, "") for field in ("sentence", "description", "formula")]
        if isinstance(record, FunctionType):
            said.append(record.__doc__ or "")
        text: str = next(filter(None, said), "").partition("\n\n")[0]
        return text.replace("``", "`").replace("\n", " ").replace("|", r"\|")


def _not_allowed(subject: str) -> ConfigError:
    return ConfigError(
        f"{subject} is code from outside of xpmlp: if you trust it, allow it with --allow-code (in Python "
        "allow_code=True)."
    )


def _imported(module: str, subject: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):  # one that the module imports
            raise ConfigError(f"{subject}: {module} cannot be imported ({error}).") from error
        raise ConfigError(
            f"{subject}: there is no module {error.name!r} to import; set PYTHONPATH to its folder."
        ) from None
    except (KeyboardInterrupt, XpmlpError):
        raise
    except BaseException as error:  # any error, or an exit
        raise ConfigError(f"{subject}: {module} cannot be imported ({type(error).__name__}: {error}).") from error


def _importable_name(record: Any) -> str | None:
    """Return ``module:object`` for the first importable module that has the object."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and getattr(module, "__spec__", None) is not None:
            for attribute, value in list(vars(module).items()):
                if type(value) is type(record) and value == record and is_outside(f"{name}:{attribute}"):
                    return f"{name}:{attribute}"
    return None

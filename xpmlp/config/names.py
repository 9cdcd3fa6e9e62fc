"""Config values that name records in tables, and the permission to import records from outside the package.

The allowed names, the messages, the JSON schema and the documentation are derived from the tables.  These are imported
with the first config that is read, since some of them import NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from xpmlp._records import OUTSIDE, RecordTable, is_importable, is_outside
from xpmlp.config.show import show
from xpmlp.errors import ConfigError

if TYPE_CHECKING:
    from xpmlp.config.model import Config


@functools.cache
def tables() -> dict[str, RecordTable[Any]]:
    """Import the tables, by kind."""
    from xpmlp.backend.registry import backends
    from xpmlp.data.formats import formats
    from xpmlp.initializers import initializers
    from xpmlp.nn import activations, criteria, layers, losses
    from xpmlp.optim import optimizers, schedules

    described: tuple[Any, ...] = activations, losses, initializers, layers, optimizers, schedules, criteria
    return {table.kind: table for table in (*described, formats, backends)}


@dataclass(frozen=True)
class NameOf:
    """The type of a value that names a record: annotates ``str``.  In Python, the record itself is accepted, too.

    Attributes
    ----------
    kind : str
        The kind of the table.
    besides : tuple of str
        Other allowed words.
    lists : bool
        Whether a list of names is allowed, too.
    """

    kind: str
    besides: tuple[str, ...] = ()
    lists: bool = False

    @property
    def table(self) -> RecordTable[Any]:
        """The table of the records."""
        return tables()[self.kind]

    def listed(self) -> list[str]:
        """Return the names shown to users."""
        return [name for name in self.table if getattr(self.table[name], "listed", True)]

    def sentence(self, name: str) -> str:
        """Describe a record for the documentation."""
        return self.table.sentence(name)

    def names(self, value: Any) -> Iterator[tuple[str, RecordTable[Any], str]]:
        """Yield the names in a value: the suffix of the key, the table, and the name."""
        for name in _texts(value):
            yield "", self.table, name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Make pydantic validate by `_value`."""
        return core_schema.no_info_plain_validator_function(self._value)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe the names shown to users, and a pattern for the others."""
        others = [name for name in self.table if name not in self.listed()]
        one: dict[str, Any] = {
            "anyOf": [
                {"enum": [*self.besides, *self.listed()], "type": "string"},
                {"pattern": f"^({'|'.join([*others, OUTSIDE])})$", "type": "string"},
            ]
        }
        return {"anyOf": [one, {"items": one, "type": "array"}]} if self.lists else one

    def _value(self, given: Any) -> Any:
        if self.lists and isinstance(given, list):
            return [self._name(one) for one in given]
        return self._name(given)

    def _name(self, given: Any) -> str:
        if isinstance(given, str):
            if given in self.besides or given in self.table or is_outside(given):
                return given
        elif isinstance(given, self.table.record_type):
            return self.table.register(given)
        from xpmlp.config.explain import advice  # imports the config, whose fields have these types

        schema = self.__get_pydantic_json_schema__(None, None)
        raise ValueError(f"{show(given)} is not allowed: {advice(given, schema)}")


def admit_code(config: Config, *, allow_code: bool) -> None:
    """Import the records from outside the package that a config names.

    Raises
    ------
    ConfigError
        If there are any without permission, or one cannot be imported.
    """
    for key, table, name in outside_names(config):
        table.admit(name, key, allow_code=allow_code)


def refuse_unimportable(config: Config) -> None:
    """Refuse to save a config with a record that no other process can import.

    Raises
    ------
    ConfigError
    """
    for key, table, name in outside_names(config):
        if not is_importable(name):
            raise ConfigError(
                f"{key} is the object {name.partition(':')[2]!r} of this program, which no file and no other "
                f"process can name: define it at the top of a module, so that the {table.kind} can be imported."
            )


def outside_names(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, RecordTable[Any], str]]:
    """Yield the names from outside the package in a config or a part of one, with their keys and tables."""
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        for found in names_in(field):
            for place, table, name in found.names(value):
                if is_outside(name):
                    yield f"{prefix}{key}{place}", table, name
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, BaseModel):
                yield from outside_names(part, f"{prefix}{key}.")


def names_in(field: FieldInfo) -> Iterator[NameOf]:
    """Yield the types of the names in a field's value."""
    yield from _annotations((field.annotation, *field.metadata))


def _annotations(parts: tuple[Any, ...]) -> Iterator[NameOf]:
    for part in parts:
        if isinstance(part, NameOf):
            yield part
        yield from _annotations(get_args(part))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value if isinstance(value, list) else ():
        yield from _texts(item)

"""The values of a config that are names: of activations, losses, backends and so on, as their tables have them.

What a name may be, the messages, the JSON schema and the documentation are derived from the tables.  They are imported
with the first config that is read, since NumPy comes with some.
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
from xpmlp.errors import ConfigError

if TYPE_CHECKING:
    from xpmlp.config.model import Config


@functools.cache
def tables() -> dict[str, RecordTable[Any]]:
    """The tables by kind."""
    from xpmlp.backend.registry import backends
    from xpmlp.data.formats import formats
    from xpmlp.initializers import initializers
    from xpmlp.nn import activations, criteria, layers, losses
    from xpmlp.optim import optimizers, schedules

    described: tuple[Any, ...] = activations, losses, initializers, layers, optimizers, schedules, criteria
    return {table.kind: table for table in (*described, formats, backends)}


@dataclass(frozen=True)
class NameOf:
    """The type of a value that names a record: annotates ``str``.  From Python the record itself will do.

    Attributes
    ----------
    kind : str
        The table's.
    besides : tuple of str
        Other words that are allowed.
    lists : bool
        Whether a list of names is, too.
    """

    kind: str
    besides: tuple[str, ...] = ()
    lists: bool = False

    @property
    def table(self) -> RecordTable[Any]:
        """The table that has the records."""
        return tables()[self.kind]

    def listed(self) -> list[str]:
        """The names that people are told of."""
        return [name for name in self.table if getattr(self.table[name], "listed", True)]

    def sentence(self, name: str) -> str:
        """Describe a record for the documentation."""
        return self.table.sentence(name)

    def names(self, value: Any) -> Iterator[tuple[str, RecordTable[Any], str]]:
        """The names in a value: what follows the key, the table, and the name."""
        for name in _texts(value):
            yield "", self.table, name

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Have pydantic call `_value`."""
        return core_schema.no_info_plain_validator_function(self._value)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The names that people should know, and a pattern for the others."""
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
        raise ValueError


def admit_code(config: Config, *, allow_code: bool) -> None:
    """Import the records from outside of the package that a config names.

    Raises
    ------
    ConfigError
        If there are any and this is not allowed, or one cannot be imported.
    """
    for key, table, name in outside_names(config):
        table.admit(name, key, allow_code=allow_code)


def refuse_unimportable(config: Config) -> None:
    """Refuse a config that is to be saved and has a record that nobody will find again.

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
    """The names from outside in a config, or in a part of one, with their keys and tables."""
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
    """The types of the names that a field's value may have in it."""
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

"""What a value of a config may be: types with bounds, read from TOML, and what they are in the JSON schema."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from xpmlp._paths import given_path, is_text
from xpmlp.config.layers import RULE, LayersOf
from xpmlp.config.names import NameOf

Value = TypeVar("Value")

_ESCAPED = frozenset("\b\t\n\f\r\x1b")
"""The control characters that TOML writes with a backslash and a letter."""

SINGLE_QUOTES = "write a Windows path in single quotes, or with / for each backslash"

MISTAKEN_ESCAPE = f"a control character, which TOML makes of a backslash and a letter in double quotes: {SINGLE_QUOTES}"


def _none_from_text(value: Any) -> Any:
    """TOML has no null: the word "none" stands for it, so that a file or ``--set`` can undo what it extends."""
    return None if value == "none" else value


def _path(value: Any) -> Any:
    """Text to a path, with "~" for the home folder; no path is made of "" or NUL: pydantic refuses them as text."""
    if not isinstance(value, str) or not value or "\0" in value:
        return value
    if value.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(value.removeprefix("file://"))))
    path = given_path(value)
    if is_mistaken_escape(path):
        raise PydanticCustomError(RULE, "{message}", {"message": f"has {MISTAKEN_ESCAPE}.", "keys": ()})
    return path


def is_mistaken_escape(path: Path) -> bool:
    """Whether a path does not exist, and has a control character as TOML makes of a Windows path's backslashes."""
    return not _ESCAPED.isdisjoint(str(path)) and not os.path.lexists(path)


def _text_of(path: Path) -> str:
    """A path as text; one of other bytes, which TOML cannot hold, as a ``file:`` address."""
    return str(path) if is_text(path) else path.absolute().as_uri()


def _absolute_path(value: Any) -> Any:
    """Text or a path to an absolute path."""
    path = _path(value)
    return path.absolute() if isinstance(path, Path) else path


def _auto_or_count(value: Any) -> Any:
    """The word "auto" or a number of at least 1: one error for both, where a union would give one for each."""
    if value == "auto" or (type(value) is int and value >= 1):
        return value
    raise ValueError


def _quantiles(value: Any) -> Any:
    """A list of rising numbers between 0 and 1: one error for all, as above."""
    if not isinstance(value, list) or not value or not all(_is_number(one) and 0 < one < 1 for one in value):
        raise ValueError
    if any(second <= first for first, second in pairwise(value)):
        raise ValueError
    return [float(one) for one in value]


def _rates(value: Any) -> Any:
    """A number from 0 to 1, 1 excluded, or a list of such numbers: one error for both, as above."""
    if _is_number(value) and 0 <= value < 1:
        return float(value)
    if isinstance(value, list) and all(_is_number(rate) and 0 <= rate < 1 for rate in value):
        return [float(rate) for rate in value]
    raise ValueError


def _names(value: Any) -> Any:
    """A name, or a list of different names: one error for both, as above."""
    names = value if isinstance(value, list) else [value]
    if names and all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names):
        return value
    raise ValueError


def _class_weight(value: Any) -> Any:
    """A table of weights by label, or the word "balanced" or "none": one error for all, as above."""
    if value is None or value in ("none", "balanced"):
        return _none_from_text(value)
    if isinstance(value, dict) and value and all(_is_number(weight) and weight >= 0 for weight in value.values()):
        return {str(label): float(weight) for label, weight in value.items()}
    raise ValueError


def _rate_factors(value: Any) -> Any:
    """A table of numbers by kind of parameter, or the word "none": one error for all, as above."""
    if value is None or value == "none":
        return None
    if isinstance(value, dict) and all(_is_number(factor) and factor >= 0 for factor in value.values()):
        return {str(kind): float(factor) for kind, factor in value.items()}
    raise ValueError


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_AS_TEXT = PlainSerializer(_text_of, return_type=str, when_used="json")


def _one_or_list(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"items": schema, "type": "array"}]})


OrNone: TypeAlias = Annotated[Value | None, BeforeValidator(_none_from_text)]
AnyPath: TypeAlias = Annotated[Path, BeforeValidator(_path), _AS_TEXT]
AbsolutePath: TypeAlias = Annotated[Path, BeforeValidator(_absolute_path), _AS_TEXT]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
AutoOrCount: TypeAlias = Annotated[
    int | Literal["auto"],
    PlainValidator(_auto_or_count),
    WithJsonSchema({"anyOf": [{"const": "auto", "type": "string"}, {"minimum": 1, "type": "integer"}]}),
]
Activation: TypeAlias = Annotated[str | list[str], NameOf("activation", lists=True)]
DropoutRate: TypeAlias = Annotated[
    float | list[float],
    PlainValidator(_rates),
    _one_or_list({"exclusiveMaximum": 1, "minimum": 0, "type": "number"}),
]
Quantiles: TypeAlias = Annotated[
    list[float],
    PlainValidator(_quantiles),
    WithJsonSchema(
        {"items": {"exclusiveMaximum": 1, "exclusiveMinimum": 0, "type": "number"}, "minItems": 1, "type": "array"}
    ),
]
Names: TypeAlias = Annotated[str | list[str], PlainValidator(_names), _one_or_list({"minLength": 1, "type": "string"})]
_TABLE_OR_NONE: list[dict[str, Any]] = [
    {"additionalProperties": {"minimum": 0, "type": "number"}, "type": "object"},
    {"type": "null"},
]
ClassWeight: TypeAlias = Annotated[
    Literal["balanced"] | dict[str, float] | None,
    PlainValidator(_class_weight),
    WithJsonSchema({"anyOf": [{"const": "balanced", "type": "string"}, *_TABLE_OR_NONE]}),
]
RateFactors: TypeAlias = Annotated[
    dict[str, float] | None, PlainValidator(_rate_factors), WithJsonSchema({"anyOf": _TABLE_OR_NONE})
]
Layers: TypeAlias = Annotated[list[dict[str, Any]], LayersOf("layer")]
LossName: TypeAlias = Annotated[str, NameOf("loss", ("auto",))]
InitializerName: TypeAlias = Annotated[str, NameOf("initializer")]
OptimizerName: TypeAlias = Annotated[str, NameOf("optimizer")]
ScheduleName: TypeAlias = Annotated[str, NameOf("schedule")]
CriterionName: TypeAlias = Annotated[str, NameOf("criterion", ("loss",))]
FormatName: TypeAlias = Annotated[str, NameOf("data set")]
BackendName: TypeAlias = Annotated[str, NameOf("backend", ("auto",))]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]
Units: TypeAlias = Annotated[int, Field(ge=1, lt=2**31)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
Members: TypeAlias = Annotated[int, Field(ge=1, le=1000)]
Folds: TypeAlias = Annotated[int, Field(ge=2, le=100)]
Interval: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(auto|[1-9][0-9]{0,11} (epoch|second|step)s?)$"),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto", "type": "string"},
                {
                    "type": "string",
                    "pattern": "^[1-9][0-9]{0,11} (epoch|second|step)s?$",
                    "examples": ["5 epochs", "60 seconds", "1000 steps"],
                },
            ]
        }
    ),
]

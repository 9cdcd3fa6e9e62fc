"""Types of the values in a config, with bounds, conversions from TOML, and forms in the JSON schema."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from xpmlp._paths import given_path, is_text
from xpmlp.config.layers import RULE

Value = TypeVar("Value")

_ESCAPED = frozenset("\b\t\n\f\r\x1b")
"""The control characters that TOML spells with a backslash and a letter."""

SINGLE_QUOTES = "write a Windows path in single quotes, or with / for each backslash"

MISTAKEN_ESCAPE = f"a control character, which TOML makes of a backslash and a letter in double quotes: {SINGLE_QUOTES}"


def _none_from_text(value: Any) -> Any:
    """Convert "none", TOML's stand-in for null, to None, so that a file or ``--set`` can undo an inherited value."""
    return None if value == "none" else value


def _path(value: Any) -> Any:
    """Convert text to a path, with "~" for the home folder; "" and NUL stay text, which pydantic refuses."""
    if not isinstance(value, str) or not value or "\0" in value:
        return value
    if value.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(value.removeprefix("file://"))))
    path = given_path(value)
    if is_mistaken_escape(path):
        raise PydanticCustomError(RULE, "{message}", {"message": f"has {MISTAKEN_ESCAPE}.", "keys": ()})
    return path


def is_mistaken_escape(path: Path) -> bool:
    """Whether a path does not exist and has a control character, such as TOML makes of a Windows path's backslashes."""
    return not _ESCAPED.isdisjoint(str(path)) and not os.path.lexists(path)


def _text_of(path: Path) -> str:
    """Convert a path to text; one of other bytes, which TOML cannot hold, to a ``file:`` address."""
    return str(path) if is_text(path) else path.absolute().as_uri()


def _as_one(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Raise one error for the whole value, where pydantic has one for each possible type or each item."""
    try:
        return handler(value)
    except ValidationError:
        raise ValueError from None


def _rising(values: list[float]) -> list[float]:
    if any(second <= first for first, second in pairwise(values)):
        raise ValueError
    return values


def _different(names: str | list[str]) -> str | list[str]:
    if isinstance(names, list) and len({*names}) < max(len(names), 1):
        raise ValueError
    return names


def _by_label(value: Any) -> Any:
    """Convert a table's labels to text, and "none" to None."""
    return (
        {str(label): _by_label(one) for label, one in value.items()}
        if isinstance(value, dict)
        else _none_from_text(value)
    )


_AS_ONE = WrapValidator(_as_one)
_AS_TEXT = PlainSerializer(_text_of, return_type=str, when_used="json")

OrNone: TypeAlias = Annotated[Value | None, BeforeValidator(_none_from_text)]
AnyPath: TypeAlias = Annotated[Path, BeforeValidator(_path), _AS_TEXT]
AbsolutePath: TypeAlias = Annotated[Path, AfterValidator(Path.absolute), BeforeValidator(_path), _AS_TEXT]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]
Units: TypeAlias = Annotated[int, Field(ge=1, lt=2**31)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
AutoOrCount: TypeAlias = Annotated[Literal["auto"] | Count, _AS_ONE]
FractionOrList: TypeAlias = Annotated[Fraction | list[Fraction], _AS_ONE]
Quantiles: TypeAlias = Annotated[
    list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), AfterValidator(_rising), _AS_ONE
]
Names: TypeAlias = Annotated[Text | list[Text], AfterValidator(_different), _AS_ONE]
ClassWeight: TypeAlias = Annotated[
    Literal["balanced"] | Annotated[dict[str, NonNegative], Field(min_length=1)] | None,
    BeforeValidator(_by_label),
    _AS_ONE,
]
Threshold: TypeAlias = Annotated[
    Literal["balanced"]
    | Annotated[float, Field(gt=0, lt=1)]
    | Annotated[dict[str, NonNegative | dict[str, NonNegative]], Field(min_length=1)]
    | None,
    BeforeValidator(_by_label),
    _AS_ONE,
]
ColumnTypes: TypeAlias = Annotated[dict[str, str] | None, BeforeValidator(_by_label), _AS_ONE]
RateFactors: TypeAlias = Annotated[dict[str, NonNegative] | None, BeforeValidator(_by_label), _AS_ONE]
Interval: TypeAlias = Annotated[
    Literal["auto"]
    | Annotated[
        str,
        Field(
            pattern="^[1-9][0-9]{0,11} (epoch|second|step)s?$",
            examples=["5 epochs", "60 seconds", "1000 steps"],
        ),
    ],
    _AS_ONE,
]

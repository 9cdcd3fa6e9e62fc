"""Base classes of records saved as JSON beside a network's weights, and validated when read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xpmlp.errors import DataError

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Frozen(BaseModel):
    """A record saved as JSON: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Saved(Frozen):
    """A record written and read on its own, not only as part of another.

    Attributes
    ----------
    called : str
        The record's name in messages, with its article.
    """

    called: ClassVar[str]

    def to_json(self) -> str:
        """Convert the record to JSON, which ``from_json`` reads back without loss."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a record written by ``to_json``.

        Raises
        ------
        DataError
            If it is not such a record.
        """
        with cls._refused():
            return cls.model_validate_json(text)

    @classmethod
    def from_saved(cls, saved: Any) -> Self:
        """Read a record from the result of ``model_dump(mode="json")``.

        Raises
        ------
        DataError
            If it is not such a record.
        """
        with cls._refused():
            return cls.model_validate(saved, strict=False)

    @classmethod
    @contextmanager
    def _refused(cls) -> Iterator[None]:
        """Turn the first mistake that pydantic finds into a `DataError` on one line."""
        try:
            yield
        except ValidationError as error:
            mistake = error.errors(include_url=False)[0]
            place = ".".join(map(str, mistake["loc"][:4]))
            first = f"{place}: {mistake['msg']}"[:200]
            raise DataError(f"not {cls.called} that xpmlp has saved ({first})") from None

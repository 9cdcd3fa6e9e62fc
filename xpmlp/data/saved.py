"""Records that are saved as JSON beside a network's weights, and read again within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xpmlp.errors import DataError

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Frozen(BaseModel):
    """A record that is saved as JSON: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Saved(Frozen):
    """A record that is written and read by itself.

    Attributes
    ----------
    called : str
        How messages call it, with its article.
    """

    called: ClassVar[str]

    def to_json(self) -> str:
        """Write it as JSON, which ``from_json`` reads back without loss."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what ``to_json`` has written.

        Raises
        ------
        DataError
            If it is something else.
        """
        with cls._refused():
            return cls.model_validate_json(text)

    @classmethod
    def from_saved(cls, saved: Any) -> Self:
        """Read what ``model_dump(mode="json")`` has given.

        Raises
        ------
        DataError
            If it is something else.
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

"""Records that are saved as JSON beside a network's weights, and read again within bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Frozen(BaseModel):
    """A record that is saved as JSON: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def first_mistake(error: ValidationError) -> str:
    """The first mistake that pydantic has found, on one line."""
    mistake = error.errors(include_url=False)[0]
    place = ".".join(map(str, mistake["loc"][:4]))
    return f"{place}: {mistake['msg']}"[:200]

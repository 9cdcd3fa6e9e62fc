"""A section of a config file, and the types of values that several have."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict

from xpmlp.config.names import NameOf

ActivationName: TypeAlias = Annotated[str | list[str], NameOf("activation", lists=True)]
OptimizerName: TypeAlias = Annotated[str, NameOf("optimizer")]
ScheduleName: TypeAlias = Annotated[str, NameOf("schedule")]


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no silent conversions (1.5, true, "3" are no integers)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

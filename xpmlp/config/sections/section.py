"""The base class of a config file's sections, and the types of values shared by several."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict

from xpmlp.config.names import NameOf

ActivationName: TypeAlias = Annotated[str | list[str], NameOf("activation", lists=True)]
OptimizerName: TypeAlias = Annotated[str, NameOf("optimizer")]
ScheduleName: TypeAlias = Annotated[str, NameOf("schedule")]


class Section(BaseModel):
    """A table of the file: frozen, without unknown keys or silent conversions (1.5, true and "3" are not integers)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

"""``Config``: the sections together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, PrivateAttr, model_validator

from xpmlp.config.rules import check_rules
from xpmlp.config.sections import (
    BackendConfig,
    DataConfig,
    GridConfig,
    ModelConfig,
    OutputConfig,
    Section,
    TrainConfig,
)


class Config(Section):
    """The complete settings of a training: the network, the data and the backend.

    Built from a file by ``load_config``, which reports mistakes in readable sentences, or directly from sections:
    ``Config(data=DataConfig(name="digits"))``, which raises pydantic's ``ValidationError``.
    """

    backend: BackendConfig = Field(default_factory=BackendConfig)
    data: DataConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    grid: GridConfig = Field(default_factory=GridConfig)
    output: OutputConfig = Field(default_factory=OutputConfig)

    _name: str = PrivateAttr("run")
    _files: tuple[Path, ...] = PrivateAttr(())

    @property
    def name(self) -> str:
        """The stem of the file that the config was loaded from, or "run"; not part of the TOML or of equality."""
        return self._name

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a command reads: those that the config was loaded from, and the data at ``data.path``."""
        return self._files if self.data.path is None else (*self._files, Path(self.data.path))

    def named(self, name: str) -> Config:
        """Copy the config under another name."""
        copy = self.model_copy()
        copy._name = name
        return copy

    def replaced(self, **sections: Mapping[str, Any]) -> Config:
        """Copy the config with other values in some sections; they are not validated.

        Examples
        --------
        >>> config = Config.model_validate({"data": {"name": "digits"}})
        >>> config.replaced(train={"seed": 3, "epochs": 5}).train.seed
        3
        """
        update = {name: getattr(self, name).model_copy(update=values) for name, values in sections.items()}
        return self.model_copy(update=update)

    def to_toml(self) -> str:
        """Write every key with its value as TOML, "none" standing for None; loading it gives an equal Config."""
        tables = self.model_dump(mode="json")
        resolved = {
            section: {key: "none" if value is None else value for key, value in table.items()}
            for section, table in tables.items()
        }
        return tomli_w.dumps(resolved)

    def __eq__(self, other: object) -> bool:
        """Whether all sections are equal, regardless of name and files."""
        if not isinstance(other, Config):
            return NotImplemented
        return self.model_dump() == other.model_dump()

    def model_post_init(self, context: Any) -> None:
        """Take name and files from the validation context, set by ``load_config``."""
        if context is not None:
            self._name, self._files = context["name"], context["files"]

    @model_validator(mode="after")
    def _check_rules(self) -> Config:
        check_rules(self)
        return self

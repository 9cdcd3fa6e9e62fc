"""The sections of a config file: each field with its type, bounds, default and meaning.

The checks of a file, the error messages, the JSON schema and docs/configuration.md come from these definitions.
"""

from xpmlp.config.sections.backend import BackendConfig
from xpmlp.config.sections.data import DataConfig
from xpmlp.config.sections.grid import GRID_AXES, GridConfig
from xpmlp.config.sections.model import INSTEAD_OF_LAYERS, ModelConfig
from xpmlp.config.sections.output import OutputConfig
from xpmlp.config.sections.section import Section
from xpmlp.config.sections.train import Length, TrainConfig

__all__ = [
    "GRID_AXES",
    "INSTEAD_OF_LAYERS",
    "BackendConfig",
    "DataConfig",
    "GridConfig",
    "Length",
    "ModelConfig",
    "OutputConfig",
    "Section",
    "TrainConfig",
]

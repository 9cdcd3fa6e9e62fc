"""The sections of a config file: every field with its type, its bounds, its default and what it means.

The same definitions check a file, word the error messages, and fill the JSON schema and docs/configuration.md.
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

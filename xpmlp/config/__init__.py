"""The configuration: TOML files, checked against typed models that also write their own documentation.

==================  ==========================================================================
``names``           names of records: what tables have them, and code from outside of the package
``layers``          the layers of a network, checked against the signatures of their makers
``value_types``     what a value may be: types with bounds, for the fields
``sections``        the fields of each section, with bounds, defaults and descriptions
``rules``           values that do not go together
``model``           ``Config``: the sections together
``unused``          settings to no effect
``read``, ``load``  one TOML file; files that extend one another, overrides
``show``            values as a person would write them
``schema``          the JSON schema, and what it allows in words
``explain``         error messages
``reference``       docs/configuration.md
==================  ==========================================================================
"""

from xpmlp.config.layers import check_layers, layer_settings
from xpmlp.config.load import load_config, parse_override
from xpmlp.config.model import Config
from xpmlp.config.names import admit_code, outside_names, refuse_unimportable
from xpmlp.config.reference import markdown
from xpmlp.config.schema import json_schema
from xpmlp.config.sections import (
    GRID_AXES,
    BackendConfig,
    DataConfig,
    GridConfig,
    ModelConfig,
    OutputConfig,
    TrainConfig,
)
from xpmlp.config.unused import unused_settings

__all__ = [
    "GRID_AXES",
    "BackendConfig",
    "Config",
    "DataConfig",
    "GridConfig",
    "ModelConfig",
    "OutputConfig",
    "TrainConfig",
    "admit_code",
    "check_layers",
    "json_schema",
    "layer_settings",
    "load_config",
    "markdown",
    "outside_names",
    "parse_override",
    "refuse_unimportable",
    "unused_settings",
]

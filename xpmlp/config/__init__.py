"""The configuration: TOML files, checked against typed models that also generate their documentation.

==================  ==========================================================================
``names``           names of records, in the tables or from outside the package
``layers``          the layers of a network, checked against the signatures of their makers
``value_types``     types with bounds, for the fields' values
``sections``        the fields of each section, with bounds, defaults and descriptions
``rules``           rules across fields: incompatible values
``model``           ``Config``: the sections together
``unused``          settings without effect
``read``, ``load``  one TOML file; files that extend one another, overrides
``show``            values in TOML notation, for messages
``schema``          the JSON schema, and its allowed values in words
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

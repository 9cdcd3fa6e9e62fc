"""``[grid]``: many runs from one file."""

from __future__ import annotations

from xpmlp.config.sections.model import ModelConfig
from xpmlp.config.sections.section import ActivationName, OptimizerName, Section
from xpmlp.config.value_types import (
    AutoOrCount,
    Count,
    Fraction,
    NonNegative,
    OrNone,
    Text,
    Units,
)


class GridConfig(Section):
    """Many runs from one file: every combination of the lists given here, each with several seeds.

    Runs that differ only in seed, learning rate, weight decay or momentum are stacked along a leading axis of the same
    arrays; the other lists change shapes or code, so their runs are trained in separate blocks. An empty list leaves
    its setting unchanged. Without this section there is one run.
    """

    runs: Count = 1
    """Runs of each combination, with the seeds `train.seed`, `train.seed` + 1 and so on."""

    learning_rate: list[NonNegative] = []
    """Instead of `train.learning_rate`."""

    weight_decay: list[NonNegative] = []
    """Instead of `train.weight_decay`."""

    momentum: list[Fraction] = []
    """Instead of `train.momentum`."""

    batch_size: list[Count] = []
    """Instead of `train.batch_size`."""

    hidden_layer_sizes: list[list[Units]] = []
    """Instead of `model.hidden_layer_sizes`, for example `[[300], [800]]`."""

    activation: list[ActivationName] = []
    """Instead of `model.activation`."""

    optimizer: list[OptimizerName] = []
    """Instead of `train.optimizer`."""

    block_width: AutoOrCount = "auto"
    """Runs stacked in one block; fewer if the free memory does not hold them. "auto": 1 on a CPU, where a stack would
    outgrow the cache; on a GPU as many as its memory holds.
    """

    workers: AutoOrCount = "auto"
    """Local processes that train blocks side by side. "auto": one for each core with numpy and torch on a CPU, else 1.
    """

    scheduler: OrNone[Text] = None
    """Address of a Dask scheduler whose workers train the blocks, such as "tcp://host:8786". "none": this machine."""

    @property
    def is_grid(self) -> bool:
        """Whether the config describes more than one run."""
        return self.runs > 1 or any(getattr(self, axis) for axis in GRID_AXES)


GRID_AXES = {
    key: "model" if key in ModelConfig.model_fields else "train"
    for key, field in GridConfig.model_fields.items()
    if field.default == []
}
"""The keys that a grid can vary, each with its section."""

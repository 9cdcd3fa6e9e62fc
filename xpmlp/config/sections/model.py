"""``[model]``: the network and its loss."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from xpmlp.config.layers import LayersOf
from xpmlp.config.names import NameOf
from xpmlp.config.sections.section import ActivationName, ScheduleName, Section
from xpmlp.config.value_types import (
    Fraction,
    FractionOrList,
    Positive,
    Quantiles,
    Threshold,
    Units,
)
from xpmlp.nn import losses


class ModelConfig(Section):
    """The network: its layers between input and output, its loss and its initial weights."""

    hidden_layer_sizes: list[Units] = [100]
    """Units of each hidden layer, from input to output. `[]`: a linear model. A column of up to nine categories enters
    the first layer one-hot, one with more as an embedding of 8 learned numbers.
    """

    activation: ActivationName = "relu"
    """The activation function of the hidden layers, or a list with one for each."""

    linear_skip: bool | Literal["auto"] = False
    """Add to the network's outputs a linear function of its inputs, which is 0 at first: of numbers after `unbent`, and
    of categories one-hot. `auto`: add it if there are fewer than 1,000 training examples, but at least four for each
    number and category.
    """

    layers: Annotated[list[dict[str, Any]], LayersOf("layer")] = []
    """The layers in order, instead of `hidden_layer_sizes`, `activation` and `dropout`: a table `[[model.layers]]` for
    each, with its `kind` and settings; a layer made of others has them in a list `layers`. The first layer takes the
    features, and the category codes if the data have any. The program adds the output layer, dense, with as many units
    as the loss needs. If this file extends another, `layers` replaces those three keys of the other, and any of the
    three replaces its `layers`.
    """

    loss: Annotated[str, NameOf("loss", ("auto",))] = "auto"
    """The loss to minimise, with its output function. `auto`: `cross_entropy` for labels, `squared` for a column with
    fractions and for several columns, unless each row has a single 1 among zeros.
    """

    dropout: FractionOrList = 0.0
    """The fraction of the hidden units dropped at random in each training step, or a list with one for each hidden
    layer. Evaluation and prediction use all units.
    """

    dropout_schedule: ScheduleName = "constant"
    """How `dropout` changes during the training: one of the schedules of `train.schedule`."""

    huber_delta: Positive = 1.0
    """The error up to which the loss `huber` is squared, and beyond which it is absolute (with `loss = "huber"`)."""

    quantiles: Quantiles = [0.1, 0.5, 0.9]
    """The quantiles to predict, in ascending order. R² is that of the one nearest to 0.5 (with `loss = "quantile"`)."""

    label_smoothing: Fraction = 0.0
    """The fraction of each target spread evenly over all classes in training. The losses of validation and test, and
    the accuracy, are computed without it (with `loss = "cross_entropy"`).
    """

    threshold: Threshold = None
    """How predictions choose a class. "none": the most probable one. A number, for two classes: the second class, or
    yes, if its probability is above this number. `balanced`: the class with the largest ratio of its probability to its
    share of the training examples. A table: the class with the least expected cost, given the costs of misclassifying
    examples of a class, `{ ill = 20 }`, or of taking them for another, `{ ill = { well = 20 } }`; costs that are not
    given are 1. Scores are always those of the most probable class.
    """

    init: Annotated[str, NameOf("initializer")] = "glorot_uniform"
    """The distribution of the initial weights; biases are 0 at first, except with `data`."""

    init_scale: Positive = 0.01
    """Standard deviation of the initial weights for `init = "normal"`."""

    @property
    def loss_settings(self) -> dict[str, Any]:
        """The parameters of losses whose values differ from their defaults."""
        fields = type(self).model_fields
        keys = [key for loss in losses.values() for key, _ in loss.settings if key in fields]
        return {key: getattr(self, key) for key in keys if getattr(self, key) != fields[key].default}

    @property
    def hidden_activations(self) -> tuple[str, ...]:
        """The activation of each hidden layer."""
        return tuple(self._by_layer(self.activation))

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The dropout of each hidden layer."""
        return tuple(self._by_layer(self.dropout))

    def _by_layer(self, given: Any) -> list[Any]:
        return given if isinstance(given, list) else [given] * len(self.hidden_layer_sizes)


INSTEAD_OF_LAYERS = ("hidden_layer_sizes", "activation", "dropout")
"""The keys of ``[model]`` that ``layers`` replaces."""

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
    """The network: its layers between input and output, its loss, and its first weights."""

    hidden_layer_sizes: list[Units] = [100]
    """Units of each hidden layer, from input to output. `[]`: a linear model. Categories enter the first one as a 1
    among zeros if they are up to nine, else as 8 numbers that are learned.
    """

    activation: ActivationName = "relu"
    """The hidden layers' activation function, or a list with one for each."""

    linear_skip: bool | Literal["auto"] = False
    """Add to the network's outputs a linear function of its inputs, numbers `unbent` and categories one-hot, that
    begins at 0. `auto`: with fewer than 1,000 training examples, but four for each number and category.
    """

    layers: Annotated[list[dict[str, Any]], LayersOf("layer")] = []
    """The layers one after another, instead of `hidden_layer_sizes`, `activation` and `dropout`: a table
    `[[model.layers]]` for each, with its `kind` and settings; one that joins others has these as `layers`, too. The
    program adds the last one, a dense layer with as many units as the loss wants. The first one takes the features, and
    the codes of categories if the data have any. A file's `layers` take the place of those three keys in a file that it
    extends, and these the place of `layers`.
    """

    loss: Annotated[str, NameOf("loss", ("auto",))] = "auto"
    """The loss to minimise, with its output function. `auto`: `cross_entropy` for labels, `squared` for columns with
    fractions and for several columns, unless each row has a single 1 among zeros.
    """

    dropout: FractionOrList = 0.0
    """The part of the hidden units that is left out of each training step, by chance, or a list with one for each
    hidden layer. Evaluation and prediction use all units.
    """

    dropout_schedule: ScheduleName = "constant"
    """How `dropout` changes, by the schedules of `train.schedule`."""

    huber_delta: Positive = 1.0
    """Up to this error the loss `huber` is squared, beyond absolute (with `loss = "huber"`)."""

    quantiles: Quantiles = [0.1, 0.5, 0.9]
    """The quantiles that are predicted, rising. R² is that of the one nearest to 0.5 (with `loss = "quantile"`)."""

    label_smoothing: Fraction = 0.0
    """The part of each target that is spread evenly over all classes, in training. The losses of validation and test,
    and the accuracy, are without it (with `loss = "cross_entropy"`).
    """

    threshold: Threshold = None
    """How predictions choose a class. "none": the most probable one. A number, of two classes: the second one, or yes,
    if its probability is above that. `balanced`: by probabilities over the classes' parts of the training examples. A
    table: what a mistake costs with examples of a class, `{ ill = 20 }`, or as what it is taken, `{ ill = { well = 20
    } }`, 1 if not given; the class of the least expected cost is chosen. Scores are those of the most probable class.
    """

    init: Annotated[str, NameOf("initializer")] = "glorot_uniform"
    """How the first weights are drawn, with biases of zero."""

    init_scale: Positive = 0.01
    """Standard deviation of the first weights for `init = "normal"`."""

    @property
    def loss_settings(self) -> dict[str, Any]:
        """The parameters of losses that differ from their defaults."""
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
"""The keys of ``[model]`` that describe what ``layers`` does."""

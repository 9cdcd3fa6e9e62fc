"""The trainable of a config and its data: network, objective, optimiser and policy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import numpy as numpy_namespace

from xpmlp._tree import leaves, map_leaves
from xpmlp._typing import Parameters
from xpmlp.backend import Backend
from xpmlp.config import Config, ModelConfig, TrainConfig, check_layers
from xpmlp.config.sections import Length
from xpmlp.data import Dataset, Part
from xpmlp.errors import ConfigError, DataError
from xpmlp.init import Purpose, data_rows, generator
from xpmlp.nn import Inputs, LayerSpec, Loss, Network, Widths, losses, mlp, pure_ops
from xpmlp.nn.layer import KINDS
from xpmlp.optim import Optimizer, averaged, clip_by_global_norm, compose, optimizers
from xpmlp.training.decision import Decision, decision_of
from xpmlp.training.labelled import by_class
from xpmlp.training.outside import try_outside_records
from xpmlp.training.policy import ConfigPolicy
from xpmlp.training.run import Run, Status
from xpmlp.training.sizes import length_of, skips
from xpmlp.training.trainable import LoopSettings, Trainable

MANY_CLASSES = 20
"""Number of integer classes above which the targets may be quantities."""

LARGE_TARGET = 1_000.0
"""Size of targets from which the first gradients are so large that training diverges at usual learning rates."""


@dataclass(frozen=True)
class ConfigTrainable(Trainable):
    """The trainable of a config and its data, on a backend.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    backend : Backend
    start : tree of (rows, columns), optional
        Parameters to begin with, on the host, instead of fresh ones.
    """

    config: Config
    dataset: Dataset
    backend: Backend
    start: Parameters | None = None

    @property
    def sizes(self) -> list[int]:
        """The widths of the layers, from the features to the outputs."""
        return self.network.sizes

    @cached_property
    def network(self) -> Network:
        """The network described by ``[model]``, for the widths of the data."""
        model, dataset, loss = self.config.model, self.dataset, loss_of(self.config, self.dataset)
        n_outputs = loss.n_outputs(len(dataset.target_names), dataset.n_classes)
        widths = Widths(dataset.n_features, dataset.code_counts)
        if model.layers:
            layers = layers_of(model, widths, n_outputs)
        else:
            units = [*model.hidden_layer_sizes, n_outputs]
            layers = mlp(units, model.hidden_activations, model.dropout_rates, model.init, model.init_scale)
            layers = with_categories(layers) if widths.codes else layers
        if self.config.train.shared:
            layers = with_shared_members(layers, self.config.train.members)
        inputs = dataset.n_features + sum(dataset.code_counts)
        few = model.linear_skip == "auto" and not self.config.train.shared and skips(len(dataset.train), inputs)
        if model.linear_skip is True or few:
            layers = with_linear_skip(layers, n_outputs)
        network, n_targets = Network(layers, widths, loss, dataset.preprocessing.scale), dataset.train.targets.shape[1:]
        on_numpy = self.backend.xp is numpy_namespace
        try_outside_records(network, self.config.train, math.prod(n_targets), on_numpy=on_numpy)
        return network

    @cached_property
    def decision(self) -> Decision | None:
        """The rule for choosing a class from the probabilities; ``None`` for the most probable class."""
        return decision_of(self.config, self.dataset, self.network.loss)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimiser described by ``[train]``."""
        return optimizer_of(self.config.train, self.network.root.kinds)

    @property
    def settings(self) -> LoopSettings:
        """The settings of ``[train]``."""
        train = self.config.train
        return LoopSettings(*self.length, train.segment_steps, train.evaluate_train)

    @cached_property
    def length(self) -> Length:
        """The epochs and the batch size, with `"auto"` resolved from the size of the data."""
        return length_of(self)

    @property
    def policy(self) -> ConfigPolicy:
        """The policy of ``[train]``, and of ``model.dropout_schedule``."""
        return ConfigPolicy(self, self.config.train, self.config.model.dropout_schedule)

    @cached_property
    def train_part(self) -> Part:
        """The data's training part, with the weights of its classes."""
        return replace(self.dataset.train, weights=class_weights(self.config, self.dataset))

    @property
    def validation_part(self) -> Part | None:
        """The data's validation part."""
        return self.dataset.validation

    def check_settings(self) -> None:
        """Check the settings whose validity depends on the data.

        Raises
        ------
        ConfigError
            Also if ``[train]`` asks to judge the epochs, with neither a validation part nor folds, or to calibrate,
            where the targets are not classes or it is a batch ensemble.
        """
        _ = self.decision, self.optimizer, self.policy, self.train_part
        train = self.config.train
        judged = {"patience": train.patience, "best_by": train.best_by != "loss", "calibrate": train.calibrate}
        if self.validation_part is None and train.folds is None and (keys := [key for key in judged if judged[key]]):
            raise ConfigError(
                f"train.{keys[0]} needs examples to judge by, and the data have no validation part: give one "
                "(from_arrays(..., validation=(x, y))), set train.folds, or leave it out."
            )
        loss, repeats = self.network.loss, self.network.root.repeats
        if self.config.train.calibrate and (loss.targets != "classes" or repeats > 1):
            what = "the members of a batch ensemble" if repeats > 1 else f"the loss {loss.name}"
            raise ConfigError(f"train.calibrate is for classes, and not for {what}: leave it out.")

    def calibrate(self, runs: Iterable[Run]) -> None:
        """Calibrate the ended runs that have not diverged, if ``train.calibrate`` asks for it."""
        if not self.config.train.calibrate:
            return
        for run in runs:
            examples = self.judging(run)
            if run.status is not Status.DIVERGED and run.parameters is not None and examples is not None:
                run.parameters = self.inference.calibrated(run.parameters, examples)

    def initial_parameters(self, seed: int) -> Parameters:
        """Return the initial parameters of a run with this seed, on the host, without a runs axis."""
        if self.start is not None:
            return map_leaves(np.array, self.start)
        root, random = self.network.root, generator(seed, Purpose.WEIGHTS)
        parameters = root.init(random)
        if root.fit is None:
            return parameters
        part, own = self.dataset.train, self.rows_of(seed)
        rows = own[data_rows(seed, len(own))]
        chosen = part.features[rows, ...]
        host = chosen if isinstance(chosen, np.ndarray) else self.backend.to_numpy(chosen)
        x = np.asarray(host, np.float64) * self.network.input_scale
        inputs = Inputs(x.reshape(len(rows), -1), None if part.codes is None else part.codes[rows])
        return root.fit(pure_ops(numpy_namespace), random, parameters, inputs)


def layers_of(model: ModelConfig, widths: Widths, n_outputs: int) -> LayerSpec:
    """Chain the layers of a config's ``[[model.layers]]``, followed by a dense output layer.

    Parameters
    ----------
    model : ModelConfig
        Dense layers without ``init`` take its ``init`` and ``init_scale``.
    widths : Widths
        Widths of the inputs.
    n_outputs : int

    Raises
    ------
    ConfigError
        If a layer does not accept its inputs, or has no outputs for them.
    """
    check_layers(model.layers)
    drawn = {"init": model.init, **({"init_scale": model.init_scale} if model.init == "normal" else {})}
    specs = [LayerSpec.of(_with_init(table, drawn)) for table in model.layers]
    taken: Widths | int = widths
    rows = 1
    for number, spec in enumerate(specs):
        place = f'model.layers[{number}], of kind "{spec.kind}",'
        try:
            layer = spec.maker()(taken)
            if rows % layer.members:
                raise ValueError(
                    f"{layer.members} members need a multiple of {layer.members} rows of each example, not {rows}: "
                    f'put a layer of kind "repeat" with members = {layer.members} before it.'
                )
            taken, rows = layer.width, rows * layer.repeats
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise ConfigError(f"{place} does not fit what it is given: {str(error).rstrip('.')}.") from error
        if not taken:
            raise ConfigError(f"{place} gives no numbers for these data: leave it out, or give codes of categories.")
    return LayerSpec("chain", (), (*specs, LayerSpec.of({"kind": "dense", "units": n_outputs, **drawn})))


def with_categories(layers: LayerSpec) -> LayerSpec:
    """Prepend an encoding of the categories to layers that take only numbers: one-hot if few, else embedded."""
    categories = LayerSpec("categories", (("width", 8), ("one_hot_up_to", 9)))
    inputs = LayerSpec("beside", (), (LayerSpec("activation", (("name", "identity"),)), categories))
    return LayerSpec("chain", (), (inputs, *layers.members))


def with_shared_members(layers: LayerSpec, members: int) -> LayerSpec:
    """Let the members of a batch ensemble share a chain of layers, from its first dense one on.

    The layer `repeat` comes before that, and each dense layer after it becomes `adapters`, the first with random signs.
    """
    first = [spec.kind for spec in layers.members].index("dense")

    def shared(spec: LayerSpec, random: bool = False) -> LayerSpec:
        if spec.kind == "dense":
            units = dict(spec.settings)["units"]
            return LayerSpec("adapters", (("units", units), ("members", members), ("random", random)))
        return spec._replace(members=tuple(map(shared, spec.members)))

    before, (begin, *rest) = layers.members[:first], layers.members[first:]
    repeat = LayerSpec("repeat", (("members", members),))
    return layers._replace(members=(*before, repeat, shared(begin, random=True), *map(shared, rest)))


def with_linear_skip(layers: LayerSpec, n_outputs: int) -> LayerSpec:
    """Add a linear function of the inputs, initially 0, to the layers' outputs: numbers unbent, categories one-hot."""
    inputs = LayerSpec("beside", (), (LayerSpec("activation", (("name", "unbent"),)), LayerSpec("one_hot")))
    linear = LayerSpec("chain", (), (inputs, LayerSpec("dense", (("units", n_outputs), ("init", "zeros")))))
    return LayerSpec("chain", (), (LayerSpec("add", (), (layers, linear)),))


def _with_init(table: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    joined = {"layers": [_with_init(one, drawn) for one in table["layers"]]} if "layers" in table else {}
    return {**(drawn if table["kind"] == "dense" and "init" not in table else {}), **table, **joined}


def optimizer_of(train: TrainConfig, kinds: Any) -> Optimizer:
    """Compose the optimiser of a config's ``[train]``: clipping, the rule with its decay, averaging.

    Parameters
    ----------
    train : TrainConfig
    kinds : tree of str
        In the structure of the parameters.

    Raises
    ------
    ConfigError
        If ``train.rates`` names a kind of parameters that neither the network nor the package's layers have.
    """
    known = list(dict.fromkeys(kind for _, kind in leaves(kinds)))
    for kind in (kind for kind in train.rates or {} if kind not in known and kind not in KINDS):
        raise ConfigError(
            f"train.rates has a factor for {kind!r}, which is no kind of the network's parameters; they are "
            f"{', '.join(known)}."
        )
    record = optimizers[train.optimizer]
    rule = record.make(kinds, train.rates, **record.constants(train))
    if train.clip_norm is None and train.averaging is None:
        return rule
    clipping = [] if train.clip_norm is None else [clip_by_global_norm(kinds, train.clip_norm)]
    averaging = [] if train.averaging is None else [averaged(kinds, train.averaging)]
    return compose(*clipping, rule, *averaging)


def check_given(config: Any, data: Any) -> None:
    """Check what the user gives to train on: the config of a single training, and perhaps a data set.

    Raises
    ------
    ConfigError
        If they are of other types, the config has a grid, or names another data set than was given.
    """
    if not isinstance(config, Config):
        raise ConfigError(f"a Config is needed, and not a {type(config).__name__}: use xpmlp.load_config.")
    if config.grid.is_grid:
        raise ConfigError("the config has a [grid] of several runs: train them with xpmlp.train_grid.")
    if data is None:
        return
    if not isinstance(data, Dataset):
        raise ConfigError(f"data has to be a Dataset, and not a {type(data).__name__}: use xpmlp.from_arrays.")
    if config.data.name != data.name:
        raise ConfigError(f'data.name = "{config.data.name}", but the data were given: set it to "{data.name}".')


def loss_of(config: Config, dataset: Dataset) -> Loss:
    """Return the loss selected by ``model.loss`` for a data set, with its parameters from the config.

    Raises
    ------
    ConfigError
        If a parameter belongs to another loss.
    DataError
        If the loss does not fit the targets.
    """
    name = config.model.loss
    if name == "auto":
        name = "squared" if dataset.target_names else "cross_entropy"
    loss, changed = losses[name], config.model.loss_settings
    if unknown := changed.keys() - dict(loss.settings).keys():
        raise ConfigError(f"model.{min(unknown)} is not for these targets, whose loss is {name}: leave it out.")
    if refusal := loss.refusal(_columns(dataset), dataset.n_classes):
        raise DataError(f'model.loss = "{name}" is for {refusal}.')
    return loss.with_settings(changed)


def notes_on_targets(config: Config, dataset: Dataset) -> Iterator[str]:
    """Report likely mistakes in the targets: quantities taken for classes, values far too large to be learnt."""
    if config.model.loss == "auto" and dataset.classes.dtype.kind in "if" and dataset.n_classes > MANY_CLASSES:
        yield (
            f"the target's {dataset.n_classes} whole numbers are taken for classes; if they are quantities, set "
            'model.loss = "squared"'
        )
    if large := large_targets(dataset):
        yield f"{large}, or training may diverge or take long"


def notes_on_codes(network: Network) -> Iterator[str]:
    """Report that a network ignores the codes of the data."""
    if network.widths.codes and not network.takes_codes:
        yield (
            "the data have codes of categories, and the network has no layer that takes them: give model.layers one of "
            'kind "categories", "embedding" or "one_hot"'
        )


def large_targets(dataset: Dataset) -> str | None:
    """Return advice to scale the targets if they are far from a fresh network's outputs, near zero; else ``None``."""
    largest = np.abs(dataset.train.targets).max() if dataset.target_names else 0.0
    if largest < LARGE_TARGET:
        return None
    return f"the targets reach {largest:.3g}: divide them by a constant, so that they are near 1"


def class_weights(config: Config, dataset: Dataset) -> npt.NDArray[np.float64] | None:
    """Return the weight of each training example by its class, (n,); ``None`` if all count the same.

    "balanced" gives class ``c`` the weight ``n / (n_classes * n_c)``, as scikit-learn does.

    Raises
    ------
    ConfigError
        If ``train.class_weight`` names an unknown class or gives every class the weight 0, or the targets are values.
    """
    given = config.train.class_weight
    if given is None:
        return dataset.train.weights
    if dataset.target_names:
        raise ConfigError("train.class_weight is for classes, and the targets are values: leave it out.")
    targets, classes = dataset.train.targets, dataset.classes
    of_class = _balanced(targets, len(classes)) if given == "balanced" else _by_label(given, classes)
    weights: npt.NDArray[np.float64] = of_class[targets]
    return weights if dataset.train.weights is None else weights * dataset.train.weights


def _balanced(targets: npt.NDArray[Any], n_classes: int) -> npt.NDArray[np.float64]:
    counts = np.bincount(targets, minlength=n_classes)
    return len(targets) / (n_classes * np.maximum(counts, 1))


def _by_label(given: dict[str, float], classes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    weights = np.ones(len(classes))
    for place, weight in by_class(given, classes, "train.class_weight", "weight").items():
        weights[place] = weight
    if not weights.any():
        raise ConfigError("train.class_weight is 0 for every class: give some class a weight.")
    return weights


def _columns(dataset: Dataset) -> list[tuple[str, npt.NDArray[Any]]]:
    """Return the names and values of the columns of targets, over all parts."""
    parts = [part.targets for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    return [
        (name, np.concatenate([targets[:, column] for targets in parts]))
        for column, name in enumerate(dataset.target_names)
    ]

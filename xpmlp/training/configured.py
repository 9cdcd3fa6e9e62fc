"""The trainable that a config and its data describe: their network, their optimiser, their policy."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from array_api_compat import numpy as numpy_namespace

from xpmlp._tree import leaves
from xpmlp._typing import Parameters
from xpmlp.backend import Backend
from xpmlp.config import Config, ModelConfig, TrainConfig, check_layers
from xpmlp.data import Dataset, Part
from xpmlp.errors import ConfigError
from xpmlp.init import Purpose, data_rows, generator
from xpmlp.nn import Inputs, LayerSpec, Network, Widths, mlp, pure_ops
from xpmlp.optim import Optimizer, averaged, clip_by_global_norm, compose, optimizers
from xpmlp.training.objective import class_weights, loss_of
from xpmlp.training.policy import ConfigPolicy
from xpmlp.training.trainable import LoopSettings, Trainable


@dataclass(frozen=True)
class ConfigTrainable(Trainable):
    """The trainable of a config and its data, on a backend.

    Attributes
    ----------
    config : Config
    dataset : Dataset
    backend : Backend
    """

    config: Config
    dataset: Dataset
    backend: Backend

    @property
    def sizes(self) -> list[int]:
        """The widths of the layers, from the features to the outputs."""
        return self.network.sizes

    @cached_property
    def network(self) -> Network:
        """The network that ``[model]`` describes, for the widths of the data."""
        model, dataset, loss = self.config.model, self.dataset, loss_of(self.config, self.dataset)
        n_outputs = loss.n_outputs(len(dataset.target_names), dataset.n_classes)
        widths = Widths(dataset.n_features, dataset.code_counts)
        if model.layers:
            layers = layers_of(model, widths, n_outputs)
        else:
            units = [*model.hidden_layer_sizes, n_outputs]
            layers = mlp(units, model.hidden_activations, model.dropout_rates, model.init, model.init_scale)
        return Network(layers, widths, loss, dataset.preprocessing.scale)

    @cached_property
    def optimizer(self) -> Optimizer:
        """The optimiser that ``[train]`` describes."""
        return optimizer_of(self.config.train, self.network.root.kinds, kinds_elsewhere(self.network))

    @property
    def settings(self) -> LoopSettings:
        """Those of ``[train]``."""
        train = self.config.train
        return LoopSettings(train.epochs, train.batch_size, train.segment_steps, train.evaluate_train)

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

    def rows_of(self, seed: int) -> npt.NDArray[np.int64]:
        """The training examples of the run with this seed, rising."""
        return np.arange(len(self.dataset.train))

    def initial_parameters(self, seed: int) -> Parameters:
        """The parameters that a run with this seed begins with, on the host, without a runs axis."""
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
    """Chain the layers of a config's ``[[model.layers]]``, with a dense one for the outputs at their end.

    Parameters
    ----------
    model : ModelConfig
        Dense layers without ``init`` have its ``init`` and ``init_scale``.
    widths : Widths
        Of the inputs.
    n_outputs : int

    Raises
    ------
    ConfigError
        If a layer does not take such inputs, or gives nothing for them.
    """
    check_layers(model.layers)
    drawn = {"init": model.init, **({"init_scale": model.init_scale} if model.init == "normal" else {})}
    specs = [LayerSpec.of(_with_init(table, drawn)) for table in model.layers]
    taken: Widths | int = widths
    for number, spec in enumerate(specs):
        place = f'model.layers[{number}], of kind "{spec.kind}",'
        try:
            taken = spec.maker()(taken).width
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise ConfigError(f"{place} does not fit what it is given: {str(error).rstrip('.')}.") from error
        if not taken:
            raise ConfigError(f"{place} gives no numbers for these data: leave it out, or give codes of categories.")
    return LayerSpec("chain", (), (*specs, LayerSpec.of({"kind": "dense", "units": n_outputs, **drawn})))


def _with_init(table: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    joined = {"layers": [_with_init(one, drawn) for one in table["layers"]]} if "layers" in table else {}
    return {**(drawn if table["kind"] == "dense" and "init" not in table else {}), **table, **joined}


def kinds_elsewhere(network: Network) -> set[str]:
    """The kinds of parameters that a network's layers have for data with numbers, few and many categories."""
    try:
        root = network._replace(widths=Widths(1, (4, 1000))).root
    except ValueError:  # a layer of certain columns
        return set()
    return {kind for _, kind in leaves(root.kinds)}


def optimizer_of(train: TrainConfig, kinds: Any, elsewhere: Collection[str] = ()) -> Optimizer:
    """Compose the optimiser of a config's ``[train]``: clipping, the rule with its decay, averaging.

    Parameters
    ----------
    train : TrainConfig
    kinds : tree of str
        In the structure of the parameters.
    elsewhere : collection of str, optional
        The kinds that the same layers have for other data, of which ``train.rates`` may speak, too.

    Raises
    ------
    ConfigError
        If ``train.rates`` names a kind of parameters that the network does not have.
    """
    known = list(dict.fromkeys(kind for _, kind in leaves(kinds)))
    for kind in (kind for kind in train.rates or {} if kind not in known and kind not in elsewhere):
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

"""Trials of records from outside the package on small arrays, so that a mistake is named before the training.

Broadcasting accepts many results of wrong shapes, and the training is then wrong without an error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import numpy as numpy_namespace

from xpmlp._records import is_outside
from xpmlp._tree import map_leaves
from xpmlp._typing import Array, DenseParameters
from xpmlp.config import TrainConfig
from xpmlp.errors import ConfigError, XpmlpError
from xpmlp.nn import Activation, Draw, Inputs, Layer, LayerSpec, Loss, Network, Widths, activations, pure_ops
from xpmlp.nn.layer import Tree, width_of
from xpmlp.nn.network import specs_of
from xpmlp.optim import Hyperparameters, OptimizerRecord, optimizers

RUNS, EXAMPLES = 2, 3

OPS = pure_ops(numpy_namespace)


def try_outside_records(network: Network, train: TrainConfig, n_targets: int, *, on_numpy: bool) -> None:
    """Try the layers, activations, loss and optimiser that are from outside the package, on NumPy.

    Parameters
    ----------
    network : Network
    train : TrainConfig
    n_targets : int
        Number of stored targets of an example.
    on_numpy : bool
        Whether the training uses NumPy: otherwise a record may fail on it, and only wrong results are refused.

    Raises
    ------
    ConfigError
        If a record raises an exception, or returns values of a wrong structure or shape.
    """
    specs = specs_of(network.layers)
    names = dict.fromkeys(str(value) for spec in specs for _, value in spec.settings)
    trials = [partial(try_activation, activations[name]) for name in names if is_outside(name) and name in activations]
    if any(is_outside(spec.kind) for spec in specs):
        rows = EXAMPLES * network.root.repeats  # which members can divide among them
        trials += [partial(try_layer, *own, rows) for own in _own_layers(network.layers, network.widths)]
    if is_outside(network.loss.name):
        trials.append(partial(try_loss, network.loss, network.root.width, n_targets))
    if is_outside(train.optimizer):
        trials.append(partial(try_optimizer, optimizers[train.optimizer], train))
    for trial in trials:
        try:
            trial()
        except _RecordError:
            if on_numpy:
                raise


def _own_layers(spec: LayerSpec, widths: Widths | int) -> Iterator[tuple[str, Layer, Widths | int]]:
    """Yield the layers from outside the package with the widths of their inputs; those that they join are theirs."""
    if is_outside(spec.kind):
        yield spec.kind, spec.maker()(widths), widths
        return
    for member in spec.members:
        yield from _own_layers(member, widths)
        widths = member.maker()(widths).width if spec.kind == "chain" else widths


class _RecordError(ConfigError):
    """An exception of a record."""


class _Record(NamedTuple):
    """A record, called and checked in its name."""

    kind: str
    name: str

    def call(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with np.errstate(all="ignore"):
                return function(*arguments)
        except XpmlpError:
            raise
        except Exception as error:
            said = f"{type(error).__name__}: {error}".rstrip(".")
            raise _RecordError(f"the {self.kind} {self.name!r}: its {part} fails on a small trial ({said}).") from error

    def pair(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        result = self.call(part, function, *arguments)
        if not isinstance(result, (list, tuple)) or len(result) != 2:
            raise self._mistake(f"{part} returns {_outline(result)}", "return two values")
        return result

    def check(self, part: str, result: Tree, wanted: Tree) -> None:
        if _outline(result) != _outline(wanted):
            raise self._mistake(f"{part} has the shape {_outline(result)}", f"have {_outline(wanted)}")

    def _mistake(self, found: str, wanted: str) -> ConfigError:
        return ConfigError(f"the {self.kind} {self.name!r}: its {found} for {RUNS} stacked runs, and has to {wanted}.")


def _outline(tree: Tree) -> str:
    """Describe the structure and shapes of a tree: ``(2, 3, 4)``, ``Gates(gates=(2, 1, 4))``, ``[None]``."""
    if not isinstance(tree, (list, tuple)):
        return str(getattr(tree, "shape", "None" if tree is None else type(tree).__name__))
    names = getattr(tree, "_fields", ())
    items = [_outline(item) for item in tree]
    named = [f"{name}={item}" for name, item in zip(names, items, strict=False)]
    return f"{type(tree).__name__}({', '.join(named)})" if names else f"[{', '.join(items)}]"


def _numbers(*shape: int) -> Array:
    return np.full(shape, 0.5)


def try_activation(activation: Activation) -> None:
    """Try an activation."""
    record, z = _Record("activation", activation.name), _numbers(RUNS, EXAMPLES, 4)
    y, kept = record.pair("forward", activation.forward, OPS, z.copy())
    record.check("output", y, z)
    record.check("delta", record.call("backward", activation.backward, OPS, z.copy(), kept), z)


def try_layer(name: str, layer: Layer, widths: Widths | int, rows: int) -> None:
    """Try a layer in a training step, on inputs of its widths."""
    record, first = _Record("layer", name), isinstance(widths, Widths)
    values = record.call("init", layer.init, np.random.default_rng(0))
    record.check("initial value", values, map_leaves(lambda slot: _numbers(slot.rows, slot.columns), layer.slots))
    parameters = map_leaves(lambda value: np.stack([np.asarray(value, np.float64)] * RUNS), values)
    noise: Tree = ()
    if layer.streams:
        draw = Draw(np.zeros((RUNS, 1), np.int32), np.zeros((1, 1, 1), np.int32), rows, np.float64)
        noise = map_leaves(lambda leaf: leaf[0, ...], record.call("draw", layer.draw, OPS, draw, 0))
    numbers, output = _numbers(RUNS, rows, width_of(widths)), _numbers(RUNS, rows * layer.repeats, layer.width)
    x: Any = numbers.copy()
    if isinstance(widths, Widths):
        x = Inputs(x, np.zeros((RUNS, rows, len(widths.codes)), np.int32) if widths.codes else None)
    y, residuals = record.pair("forward", layer.forward, OPS, parameters, x, noise)
    record.check("output", y, output)
    downstream, factors = record.pair("backward", layer.backward, OPS, parameters, residuals, output.copy(), not first)
    if not first:
        record.check("derivative with respect to the input", downstream, numbers)
    record.check("gradient", record.call("gradients", layer.gradients, OPS, factors, rows), parameters)


def try_loss(loss: Loss, n_outputs: int, n_targets: int) -> None:
    """Try a loss, its value and score with the axis of steps that a training has there."""
    record, rows = _Record("loss", loss.name), EXAMPLES + (n_outputs == EXAMPLES)  # not equal
    stored = np.zeros((1, RUNS, rows), np.int64) if loss.of_classes else _numbers(1, RUNS, rows, n_targets)
    logits, each, variances = _numbers(1, RUNS, rows, n_outputs), _numbers(1, RUNS, rows), np.ones(n_targets)
    targets = record.call("encode", loss.encode, OPS, stored, np.arange(n_outputs), np.float64)
    record.check("value", record.call("value", loss.value, OPS, logits.copy(), targets), each)
    decided = record.call("decide", loss.decide, OPS, logits.copy())
    record.check("score", record.call("score", loss.score, OPS, decided, stored, variances), each)
    record.check("delta", record.call("delta", loss.delta, OPS, logits[0].copy(), targets[0]), logits[0])


def try_optimizer(optimizer: OptimizerRecord, train: TrainConfig) -> None:
    """Try an optimiser on the parameters of a dense layer."""
    record, rate = _Record("optimizer", optimizer.name), _numbers(RUNS, 1, 1)
    make = partial(optimizer.make, [DenseParameters("weights", "biases")], train.rates, **optimizer.constants(train))
    rule = record.call("make", make)
    parameters, gradients = ([DenseParameters(_numbers(RUNS, 4, 5), _numbers(RUNS, 1, 5))] for _ in range(2))
    rates = Hyperparameters.series(rate, rate if train.weight_decay else None, rate, EXAMPLES)
    if rule.update_from_factors is None:
        rates = rates._replace(**dict.fromkeys(set(rates._fields) - set(rule.reads)))
    state = record.call("init", rule.init, parameters)
    before, state_before = copy.deepcopy((parameters, state))
    after, state = record.pair("update", rule.update, OPS, parameters, gradients, state, rates)
    record.check("result", after, before)
    record.check("state", state, state_before)

"""Members that share a network: batch ensembles from ``train.shared``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from xpmlp.backend import resolve
from xpmlp.nn import LayerSpec
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.sizes import length_of
from xpmlp.training.vote import settings_of

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(int)
CODES = rng.integers(1, 4, (120, 1)).astype(np.int32)


def config_of(**keys: Any) -> xpmlp.Config:
    given = {"data.name": "arrays", "train.epochs": 3, "train.shared": True, "train.members": 3, "output.plots": False}
    return xpmlp.Config.model_validate(nested(given | {key.replace("__", "."): value for key, value in keys.items()}))


def nested(given: dict[str, Any]) -> dict[str, Any]:
    sections: dict[str, Any] = {}
    for key, value in given.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    return sections


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]


def kinds(spec: LayerSpec) -> list[Any]:
    """The kind of each layer, a list for joined ones."""
    return [kinds(one) if one.members else one.kind for one in spec.members]


def network_of(config: xpmlp.Config) -> Any:
    data = xpmlp.from_arrays(X, Y, codes=CODES)
    return ConfigTrainable(config, data, resolve("numpy", None, "float32").backend).network


def test_dense_layers_become_adapters_from_the_first_on() -> None:
    network = network_of(config_of(model__hidden_layer_sizes=[8, 6]))
    assert kinds(network.layers)[1:] == ["repeat", "adapters", "activation", "adapters", "activation", "adapters"]
    made = [dict(one.settings) for one in network.layers.members if one.kind == "adapters"]
    assert made == [{"units": units, "members": 3, "random": units == 8} for units in (8, 6, 2)]
    assert network.root.repeats == 3


def test_dense_layers_within_others_become_adapters_too() -> None:
    skip = {"kind": "plus", "layers": [{"kind": "dense", "units": 5}]}
    before = [{"kind": "beside", "layers": [{"kind": "scaling"}, {"kind": "categories"}]}]
    layers = [*before, {"kind": "dense", "units": 5}, skip]
    network = network_of(config_of(model__layers=layers))
    assert kinds(network.layers)[1:] == ["repeat", "adapters", ["adapters"], "adapters"]


def test_they_are_one_run_and_one_of_each_fold() -> None:
    data = xpmlp.from_arrays(X, Y)
    assert len(settings_of(config_of())) == 1
    result = xpmlp.train(config_of(train__folds=2, train__best_by="log_loss"), data=data)
    assert result.network.layers.kind == "vote"
    assert len(result.network.layers.members) == 2


def test_the_prediction_is_the_mean_of_the_members(tmp_path: Path) -> None:
    """Each member alone is the network of its own factors: weights times an input and an output factor."""
    data = xpmlp.from_arrays(X, Y)
    shape = {"model__hidden_layer_sizes": [8], "model__activation": "tanh"}
    config = config_of(train__epochs=60, train__learning_rate=0.02, train__optimizer="adam", **shape)
    first, last = xpmlp.train(config, tmp_path / "run", data=data).parameters
    members = []
    for member in range(3):
        x = X.astype(np.float64)
        for layer, activation in ((first, np.tanh), (last, softmax)):
            weights = layer.inputs[member][:, None] * layer.weights * layer.outputs[member]
            x = activation(x @ weights + layer.biases[member])
        members.append(x)
    found = xpmlp.predict(tmp_path / "run", X)
    np.testing.assert_allclose(found.outputs, np.mean(members, axis=0), atol=1e-5)
    assert np.abs(members[0] - members[1]).max() > 0.01
    assert (found.decided == Y).mean() > 0.9


def test_the_size_counts_each_member() -> None:
    alone = config_of(train__shared=False, train__members=1, train__epochs="auto", train__batch_size="auto")
    shared = alone.replaced(train={"shared": True, "members": 30})
    data = xpmlp.from_arrays(np.tile(X, (2000, 1)), np.tile(Y, 2000))
    backend = resolve("numpy", None, "float32").backend
    of_one, of_all = (length_of(ConfigTrainable(one, data, backend)).epochs for one in (alone, shared))
    assert of_all < of_one


def test_a_recipe_has_no_skip_and_no_temperature_for_them() -> None:
    data = xpmlp.from_arrays(X, X[:, 0], values=True)
    shared = {"train.shared": True, "train.members": 2, "train.epochs": 1}
    result = xpmlp.train(xpmlp.load_config("xpmlp:table-values.toml", shared), data=data)
    assert np.isfinite(result.out_of_fold).all()
    with pytest.raises(xpmlp.XpmlpError, match="batch ensemble: leave it out"):
        xpmlp.train(xpmlp.load_config("xpmlp:table.toml", shared), data=xpmlp.from_arrays(X, Y))

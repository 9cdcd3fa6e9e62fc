"""Saved networks: they load as written, and any other file is refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load, save

from tests.helpers import assert_lives_on
from xpmlp._typing import DenseParameters
from xpmlp.backend import Backend
from xpmlp.data import Preprocessing
from xpmlp.errors import RunFolderError
from xpmlp.nn import Network, Widths, losses, mlp
from xpmlp.storage import SavedNetwork, load_network, save_network

LABELS = [[0, 1, 2], [-7, 0, 12], ["ant", "bee", "Köder, 大"], [0.5, 1.5, 2.0]]


def network(dtype: str = "float32", classes: Any = ("a", "b", "c"), **changes: Any) -> SavedNetwork:
    """A 4-5-3 network of random numbers."""
    rng = np.random.default_rng(3)
    parameters = [
        DenseParameters(rng.normal(size=(4, 5)).astype(dtype), rng.normal(size=(1, 5)).astype(dtype)),
        DenseParameters(rng.normal(size=(5, 3)).astype(dtype), rng.normal(size=(1, 3)).astype(dtype)),
    ]
    parameters = changes.pop("parameters", parameters)
    units = [weights.shape[1] for weights, _ in parameters]
    layers = mlp(units, changes.pop("hidden", ("tanh",)))
    loss = changes.pop("loss", "cross_entropy")
    loss, scale = (
        losses[loss] if isinstance(loss, str) else loss,
        changes.get("preprocessing", Preprocessing(scale=1 / 255)).scale,
    )
    fields = {
        "parameters": parameters,
        "network": Network(layers, Widths(len(parameters[0][0])), loss, scale),
        "classes": np.asarray(classes),
        "preprocessing": Preprocessing(scale=1 / 255),
        "feature_names": None,
    }
    return SavedNetwork(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "squared", "classes": np.empty(0, dtype=np.int64), "target_names": ("a", "b", "Köder")},
        {"loss": "logistic", "classes": np.empty(0, dtype=np.int64), "target_names": ("a", "b", "c")},
        {
            "loss": "logistic",
            "parameters": [DenseParameters(np.ones((4, 1)), np.ones((1, 1)))],
            "hidden": (),
            "classes": ["no", "yes"],
        },
    ],
)
def test_what_the_outputs_are_comes_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    saved = network(**changes)
    save_network(tmp_path / "x.safetensors", saved)
    loaded = load_network(tmp_path / "x.safetensors")
    assert (loaded.network, loaded.target_names) == (saved.network, saved.target_names)
    assert loaded.classes.tolist() == saved.classes.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {"target_names": ("a", "b", "c")},
        {"classes": np.empty(0), "target_names": ("a", "b")},
        {"classes": np.empty(0)},
        {"loss": "logistic", "classes": ["no", "yes"]},
    ],
)
def test_outputs_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_network(tmp_path / "x.safetensors", network(**changes))
    with pytest.raises(RunFolderError, match="3 outputs"):
        load_network(tmp_path / "x.safetensors")


def assert_same_parameters(actual: SavedNetwork, expected: SavedNetwork) -> None:
    for one, other in zip(actual.parameters, expected.parameters, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, strict=True)


def test_weights_return_bit_for_bit_from_every_library(tmp_path: Path, backend: Backend) -> None:
    """Written from arrays on a device, and read back to it, in both types."""
    saved = network(backend.dtype_name)
    layers = backend.parameters([DenseParameters(*layer) for layer in saved.parameters])
    host = [DenseParameters(backend.to_numpy(weights), backend.to_numpy(biases)) for weights, biases in layers]
    save_network(tmp_path / "weights", saved._replace(parameters=host))

    loaded = load_network(tmp_path / "weights")
    assert_same_parameters(loaded, saved)
    again = backend.parameters([DenseParameters(*layer) for layer in loaded.parameters])
    for layer, (weights, biases) in zip(again, saved.parameters, strict=True):
        assert_lives_on(layer.weights, backend)
        np.testing.assert_array_equal(backend.to_numpy(layer.weights), weights, strict=True)
        np.testing.assert_array_equal(backend.to_numpy(layer.biases), biases, strict=True)


@pytest.mark.parametrize("classes", [*LABELS, np.array([False, True, True])], ids=str)
def test_labels_return_with_their_type(tmp_path: Path, classes: Any) -> None:
    saved = network(classes=classes)
    save_network(tmp_path / "weights", saved)
    np.testing.assert_array_equal(load_network(tmp_path / "weights").classes, saved.classes, strict=True)


def test_all_that_prediction_needs_returns(tmp_path: Path) -> None:
    standardized = Preprocessing(np.array([0.1, 1e300, -3.0, 0.0]), np.array([1.0, 2 / 3, 1e-12, 4.0]))
    saved = network(hidden=("relu",), preprocessing=standardized, feature_names=("width", "Höhe", "a b", ""))
    save_network(tmp_path / "weights", saved)
    loaded = load_network(tmp_path / "weights")
    assert (loaded.network, loaded.feature_names) == (saved.network, saved.feature_names)
    assert loaded.preprocessing.to_json() == standardized.to_json()
    assert loaded.preprocessing.mean is not None
    np.testing.assert_array_equal(loaded.preprocessing.mean, standardized.mean, strict=True)


def test_the_parameters_of_a_loss_return(tmp_path: Path) -> None:
    settings = (("quantiles", (0.2, 0.5, 0.7)),)
    loss = losses["quantile"].with_settings(dict(settings))
    saved = network(loss=loss, classes=np.empty(0, dtype=np.int64), target_names=("a",))
    save_network(tmp_path / "weights", saved)
    assert load_network(tmp_path / "weights").network.loss is loss


def test_a_file_without_parameters_of_its_loss_is_read(tmp_path: Path) -> None:
    path = tampered(tmp_path / "weights", lambda tensors, said: said.pop("loss_settings"))
    assert load_network(path).network.loss is losses["cross_entropy"]


def test_views_and_a_network_without_hidden_layers_are_written_right(tmp_path: Path) -> None:
    weights = np.arange(24.0).reshape(3, 8)[:, ::2].T  # neither C- nor F-contiguous
    saved = network(parameters=[DenseParameters(weights, np.zeros((1, 3)))], hidden=())
    save_network(tmp_path / "weights", saved)
    assert_same_parameters(load_network(tmp_path / "weights"), saved)


def test_the_format_before_is_read(tmp_path: Path) -> None:
    def older(tensors: Tensors, said: dict[str, Any]) -> None:
        del said["layers"], said["widths"]
        said.update(format="xpmlp weights 1", hidden=["tanh"])

    loaded = load_network(tampered(tmp_path / "weights", older))
    assert_same_parameters(loaded, network())
    assert (loaded.network, loaded.classes.tolist()) == (network().network, ["a", "b", "c"])


def test_nothing_is_pickled(tmp_path: Path) -> None:
    """Any reader of safetensors finds the arrays, under names that say what they are."""
    save_network(tmp_path / "weights", network())
    arrays = load((tmp_path / "weights").read_bytes())
    assert {name: array.shape for name, array in arrays.items()} == {
        "layers.0.weights": (4, 5),
        "layers.0.biases": (1, 5),
        "layers.1.weights": (5, 3),
        "layers.1.biases": (1, 3),
    }


Tensors = dict[str, npt.NDArray[Any]]


def tampered(path: Path, change: Callable[[Tensors, dict[str, Any]], Any]) -> Path:
    """A file that is sound but for what ``change`` does to its arrays and its description."""
    save_network(path, network())
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors, description = load(content), json.loads(header["__metadata__"]["xpmlp"])
    change(tensors, description)
    path.write_bytes(save(tensors, metadata={"xpmlp": json.dumps(description)}))
    return path


def nested(depth: int) -> dict[str, Any]:
    layers: dict[str, Any] = {"kind": "dense", "units": 3}
    for _ in range(depth):
        layers = {"kind": "chain", "layers": [layers]}
    return layers


TAMPERINGS: dict[str, Callable[[Tensors, dict[str, Any]], Any]] = {
    "unknown activation": lambda tensors, said: said["layers"]["layers"][1].update(name="swish"),
    "activation that is a list": lambda tensors, said: said["layers"]["layers"][1].update(name=["tanh"]),
    "a parameter that no loss has": lambda tensors, said: said["loss_settings"].update(margin=1.0),
    "a parameter that is not allowed": lambda tensors, said: said["loss_settings"].update(label_smoothing=[[]]),
    "a list of parameters": lambda tensors, said: said.update(loss_settings=["label_smoothing"]),
    "unknown loss": lambda tensors, said: said.update(loss="hinge"),
    "another format": lambda tensors, said: said.update(format="xpmlp weights 9"),
    "unknown layer": lambda tensors, said: said["layers"]["layers"][1].update(kind="lambda"),
    "unknown setting": lambda tensors, said: said["layers"]["layers"][0].update(width=3),
    "a table for units": lambda tensors, said: said["layers"]["layers"][0].update(units={}),
    "more units than memory": lambda tensors, said: said["layers"]["layers"][0].update(units=10**15),
    "no layers": lambda tensors, said: said.pop("layers"),
    "layers in layers in layers": lambda tensors, said: said.update(layers=nested(200)),
    "no widths": lambda tensors, said: said.pop("widths"),
    "no format": lambda tensors, said: said.pop("format"),
    "more layers than arrays": lambda tensors, said: said["layers"]["layers"].append({"kind": "dense", "units": 3}),
    "fewer layers than arrays": lambda tensors, said: said["layers"]["layers"].pop(),
    "a missing array": lambda tensors, said: tensors.pop("layers.1.biases"),
    "another array": lambda tensors, said: tensors.update(momentum=np.zeros(3, "f4")),
    "layers that do not fit": lambda tensors, said: tensors.update({"layers.1.weights": np.zeros((6, 3), "f4")}),
    "biases that do not fit": lambda tensors, said: tensors.update({"layers.0.biases": np.zeros((5,), "f4")}),
    "weights of one axis": lambda tensors, said: tensors.update({"layers.0.weights": np.zeros(20, "f4")}),
    "a scalar for weights": lambda tensors, said: tensors.update({"layers.0.weights": np.zeros((), "f4")}),
    "integers for weights": lambda tensors, said: tensors.update({"layers.0.weights": np.zeros((4, 5), "i4")}),
    "two types in a layer": lambda tensors, said: tensors.update({"layers.0.biases": np.zeros((1, 5), "f8")}),
    "NaN in weights": lambda tensors, said: tensors["layers.0.weights"].fill(np.nan),
    "too few classes": lambda tensors, said: said.update(classes=["a", "b"]),
    "classes of two types": lambda tensors, said: said.update(classes=["a", None, {}]),
    "classes in a table": lambda tensors, said: said.update(classes=[["a"], ["b"], ["c"]]),
    "no preprocessing": lambda tensors, said: said.update(preprocessing=None),
    "a mean without deviation": lambda tensors, said: said["preprocessing"].update(mean=[0.0] * 4),
    "means of another width": lambda tensors, said: said["preprocessing"].update(mean=[0.0] * 3, std=[1.0] * 3),
    "too few feature names": lambda tensors, said: said.update(feature_names=["a", "b", "c"]),
    "numbers for feature names": lambda tensors, said: said.update(feature_names=[1, 2, 3, 4]),
    "a number for feature names": lambda tensors, said: said.update(feature_names=4),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_description_that_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    path = tampered(tmp_path / "weights", TAMPERINGS[name])
    with pytest.raises(RunFolderError) as raised:
        load_network(path)
    assert str(raised.value).startswith(f"{path} is not a network that xpmlp has saved, or it is damaged (")


def test_a_section_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Without it the network would predict something else."""
    path = tampered(tmp_path / "weights", lambda tensors, said: said.update(sections={"oracle": {}}))
    with pytest.raises(RunFolderError, match=r"newer version of xpmlp, and .* section 'oracle': install a newer"):
        load_network(path)


def test_a_section_that_is_known_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpmlp.storage.network.SECTIONS", {"oracle"})
    saved = network()._replace(sections={"oracle": {"says": [1, 0.1 + 0.2]}})
    save_network(tmp_path / "weights", saved)
    assert load_network(tmp_path / "weights").sections == saved.sections


def test_the_tampering_itself_does_no_damage(tmp_path: Path) -> None:
    path = tampered(tmp_path / "weights", lambda tensors, said: None)
    assert_same_parameters(load_network(path), network())


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_network(path, network())
    content = path.read_bytes()
    for length in [0, 1, 7, 8, 9, *range(10, len(content), 31), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(RunFolderError, match="damaged"):
            load_network(path)


def test_a_changed_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    save_network(path, network())
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= rng.integers(1, 256)
        path.write_bytes(damaged)
        try:
            loaded = load_network(path)
        except RunFolderError:
            refused += 1
        else:
            assert all(np.isfinite(leaf).all() for layer in loaded.parameters for leaf in layer)
    assert refused > 100


@pytest.mark.parametrize(
    "content",
    [
        np.random.default_rng(0).bytes(2000),
        b"\xff" * 64,  # a header longer than any file
        (2).to_bytes(8, "little") + b"{}",
        b"<html>not found</html>",
        save({"w": np.zeros(3)}),
        save({"w": np.zeros(3)}, metadata={"format": "pt"}),
        save({"w": np.zeros(3)}, metadata={"xpmlp": "[" * 100_000}),
        save({"w": np.zeros(3)}, metadata={"xpmlp": "[]"}),
        save({"w": np.zeros(3)}, metadata={"xpmlp": "null"}),
    ],
    ids=["random", "long header", "empty", "html", "no metadata", "foreign", "nested", "list", "null"],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match="train it again"):
        load_network(path)


def test_a_file_that_is_missing_or_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="has not written its weights"):
        load_network(tmp_path / "weights")
    with pytest.raises(RunFolderError, match=r"cannot be read|damaged"):
        load_network(tmp_path)

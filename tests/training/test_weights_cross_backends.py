"""Networks trained on one backend and used on another: every ordered pair of installed backends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file

import xpmlp
from tests.helpers import Case, relative_difference
from xpmlp.backend import Backend
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, OutputConfig, TrainConfig

PLACES = [("numpy", "cpu"), ("strict", "device1"), ("torch", "cpu"), ("jax", "cpu"), ("cupy", "cuda:0")]
TOLERANCES = {"float32": 1e-5, "float64": 1e-13}
EXAMPLES = np.linspace(0, 16, 5 * 64).reshape(5, 64)


class Trained(NamedTuple):
    """A run folder, with what its own backend says of its network."""

    folder: Path
    parameters: list[npt.NDArray[Any]]
    loss: float
    outputs: npt.NDArray[Any]


@pytest.fixture(scope="module")
def folders() -> dict[Case, Trained]:
    """Keep what was trained already, so that each backend trains once."""
    return {}


@pytest.fixture
def trained_on(
    folders: dict[Case, Trained], tmp_path_factory: pytest.TempPathFactory, get_backend: Callable[..., Backend]
) -> Callable[[Case], Trained]:
    """A function from a case to its training on the digits."""

    def train(case: Case) -> Trained:
        get_backend(*case)  # or skip
        if case not in folders:
            config = Config(
                backend=BackendConfig(name=case.name, device=case.device, dtype=case.dtype),
                data=DataConfig(name="digits"),
                model=ModelConfig(hidden_layer_sizes=[16], activation="tanh"),
                train=TrainConfig(epochs=1, batch_size=32, learning_rate=0.05, optimizer="adam"),
                output=OutputConfig(plots=False),
            )
            folder = tmp_path_factory.mktemp(str(case))
            result = xpmlp.train(config, folder, overwrite=True)
            host = [result.backend.to_numpy(leaf) for layer in result.parameters for leaf in layer]
            _, outputs, _ = xpmlp.predict(folder, EXAMPLES)
            folders[case] = Trained(folder, host, xpmlp.evaluate(folder).score.loss, outputs)
        return folders[case]

    return train


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("here", PLACES, ids="to {0[0]}".format)
@pytest.mark.parametrize("there", PLACES, ids="from {0[0]}".format)
def test_a_network_is_the_same_elsewhere(
    there: tuple[str, str],
    here: tuple[str, str],
    dtype: str,
    trained_on: Callable[[Case], Trained],
    get_backend: Callable[..., Backend],
) -> None:
    name, device = here
    get_backend(name, device, dtype)
    trained = trained_on(Case(*there, dtype))
    evaluation = xpmlp.evaluate(trained.folder, backend=name, device=device)
    assert evaluation.backend.name == name
    assert evaluation.backend.dtype_name == dtype
    assert evaluation.score.loss == pytest.approx(trained.loss, rel=TOLERANCES[dtype])
    _, outputs, _ = xpmlp.predict(trained.folder, EXAMPLES, backend=name, device=device)
    assert outputs.dtype == dtype
    assert relative_difference(outputs, trained.outputs) <= TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("place", PLACES, ids="{0[0]}".format)
def test_the_weights_file_has_the_same_bits(
    place: tuple[str, str], dtype: str, trained_on: Callable[[Case], Trained]
) -> None:
    trained = trained_on(Case(*place, dtype))
    saved = load_file(trained.folder / "weights.safetensors")
    assert {array.dtype for array in saved.values()} == {np.dtype(dtype)}
    by_shape = {array.shape: array for array in saved.values()}
    for leaf in trained.parameters:
        np.testing.assert_array_equal(by_shape[leaf.shape].reshape(leaf.shape), leaf)

"""`evaluate`: a trained network on a part of its data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from xpmlp import nn
from xpmlp._paths import given_path
from xpmlp._typing import Layer
from xpmlp.backend import Backend
from xpmlp.checkpoint import SavedNetwork
from xpmlp.config import Config
from xpmlp.data import Part
from xpmlp.errors import RunFolderError
from xpmlp.nn import Metric
from xpmlp.training import run_folder
from xpmlp.training.inference import BATCH, Score
from xpmlp.training.memory import footprint, memory_explained
from xpmlp.training.problem import Problem
from xpmlp.training.trainer import load_data, resolve_configured

Split = Literal["train", "validation", "test"]


class Evaluation(NamedTuple):
    """A score, and on what.

    Attributes
    ----------
    score : Score
    metric : "accuracy" or "r2"
        What the score's value is.
    split : str
    examples : int
    backend : Backend
    """

    score: Score
    metric: Metric
    split: str
    examples: int
    backend: Backend


def evaluate(
    run_dir: str | Path,
    split: Split | None = None,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
) -> Evaluation:
    """Evaluate the network of a run folder.

    Parameters
    ----------
    run_dir : path
    split : "train", "validation" or "test", optional
        By default the part that the training held out: validation, or test where it had none.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional
        Where to compute, if not where the config says.

    Returns
    -------
    evaluation : Evaluation

    Raises
    ------
    RunFolderError
        If it is not a run folder, or does not fit its data set.
    BackendError, DataError, ConfigError
        If the backend, the data or the saved config cannot be had.
    """
    config, network = run_folder.read(given_path(run_dir), None if run is None else str(run))
    chosen = resolve_for(config, backend, device)
    dataset = load_data(config)
    if split is None:
        split = "validation" if dataset.validation is not None else "test"
    part: Part | None = getattr(dataset, split)
    if part is None:
        here = [name for name in ("train", "validation", "test") if getattr(dataset, name) is not None]
        raise RunFolderError(f"the data of {run_dir} have no {split} part; they have {', '.join(here)}.")
    problem = Problem(config, dataset, chosen)
    expected = list(zip(problem.sizes[:-1], problem.sizes[1:], strict=True))
    if [weights.shape for weights, _ in network.parameters] != expected:
        raise RunFolderError(f"the weights in {run_dir} do not fit its config and data: they have other shapes.")
    advice = "evaluate on another backend or device"
    with chosen.session(BATCH), memory_explained(chosen, footprint(problem).of(1), advice):
        examples = problem.inference.to_device(part, problem.n_outputs)
        (score,) = problem.inference.evaluate(on_device(chosen, network), examples)
    return Evaluation(score, nn.losses[problem.network.loss].metric, split, len(part), chosen)


def resolve_for(config: Config, backend: str | None, device: str | None) -> Backend:
    """The backend that a run's config names, or the one that the user names instead."""
    settings = config.backend
    if backend is not None:
        settings = settings.model_copy(update={"name": backend, "device": device})
    elif device is not None:
        settings = settings.model_copy(update={"device": device})
    return resolve_configured(settings).backend


def on_device(backend: Backend, network: SavedNetwork) -> list[Layer]:
    """A saved network's parameters as arrays of a backend."""
    layers: list[Layer] = backend.parameters([Layer(*layer) for layer in network.parameters])
    return layers

"""`evaluate`: the score of a trained network on a part of its data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._paths import given_path
from xpmlp.backend import Backend
from xpmlp.config import Config
from xpmlp.data import Dataset, Part
from xpmlp.data.labels import label_places
from xpmlp.data.messages import listed, quoted
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import Metric
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.inference import BATCH, Inference, Score
from xpmlp.training.memory import footprint, memory_explained
from xpmlp.training.stack import as_stack
from xpmlp.training.table_prediction import table_model
from xpmlp.training.trainer import load_data, resolve_configured
from xpmlp.training.vote import member_of

PartName = Literal["train", "validation", "test"]


class Evaluation(NamedTuple):
    """Score of a network, with the part of the data and the backend.

    Attributes
    ----------
    score : Score
    metric : "accuracy" or "r2"
        Metric of the score's value.
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
    split: PartName | None = None,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_code: bool = False,
) -> Evaluation:
    """Evaluate the network of a run folder.

    Moved or changed data are treated like the network's training data: with its columns, matched by name, its classes
    and its preprocessing.

    Parameters
    ----------
    run_dir : path
    split : "train", "validation" or "test", optional
        By default the part that the training held out: validation, or test if it had none.
    run : int or "best", optional
        The run to evaluate, if the folder holds the runs of a grid.
    backend, device : str, optional
        Backend and device for the computation, by default the config's.
    overrides : dict, optional
        Values to override in the run's config, by keys of ``[data]`` or ``[backend]``: ``{"data.path": "moved.csv"}``.
    allow_code : bool
        Import the external records that the run's config names as ``module:object``.

    Returns
    -------
    evaluation : Evaluation

    Raises
    ------
    RunFolderError
        If it is not a run folder, or does not fit its data set.
    BackendError, DataError, ConfigError
        If the backend is not available, the data or the saved config cannot be read, or the data lack a column or have
        an unknown class.

    Examples
    --------
    >>> from xpmlp import load_config, train
    >>> settings = {"train.epochs": 1, "backend.fused": False, "output.plots": False}
    >>> _ = train(load_config("xpmlp:quickstart.toml", settings), "runs/digits")
    >>> evaluation = evaluate("runs/digits", "test")
    >>> evaluation.metric, evaluation.examples, evaluation.score.value > 0.5
    ('accuracy', 360, True)
    """
    place = {"backend": backend, "device": device}
    config, network = run_folder.read(given_path(run_dir), run, overrides, **place, allow_code=allow_code)
    chosen = resolve_configured(config.backend).backend
    given = data_for(config, network)
    dataset = replace(given, classes=network.classes, preprocessing=network.preprocessing)
    trainable = ConfigTrainable(config, dataset, chosen)
    if member_of(network.network).root.slots != trainable.network.root.slots:
        raise RunFolderError(f"the weights in {run_dir} do not fit its config and data: they have other shapes.")
    naming = ", or name a file: --set data.{split}=FILE"
    part, chosen_split = part_for(config, network, given, split, run_dir, naming)
    advice = "evaluate on another backend or device"
    with chosen.session(BATCH), memory_explained(chosen, footprint(trainable).of(1), advice):
        inference = Inference(trainable.network._replace(layers=network.network.layers), chosen)
        examples = inference.to_device(part)
        (score,) = inference.evaluate(as_stack(chosen.parameters(network.parameters)), examples)
    return Evaluation(score, trainable.network.loss.metric, chosen_split, len(part), chosen)


def data_for(config: Config, network: SavedNetwork) -> Dataset:
    """Read the data for a network: columns matched by name, the data's own classes, no preprocessing yet.

    Raises
    ------
    DataError
        If they cannot be read, or the codes have another number of columns than the network takes.
    """
    given = load_data(
        config,
        standardize=False,
        targets="values" if network.target_names else "classes",
        feature_names=network.feature_names,
        known_labels=[str(label) for label in network.classes.tolist()],
        table_model=table_model(network),
    )
    known = network.network.widths.codes
    if len(given.code_counts) != len(known):
        raise DataError(
            f"{config.data.path or given.name}: has codes of {len(given.code_counts)} columns, but the network takes "
            f"{len(known)}."
        )
    return replace(given, code_counts=known)


def part_for(
    config: Config, network: SavedNetwork, given: Dataset, split: str | None, run_dir: str | Path, naming: str = ""
) -> tuple[Part, str]:
    """Prepare a part of a network's data for it, with the network's classes; return the part and its name.

    Parameters
    ----------
    config, network
    given : Dataset
        From `data_for`.
    split : str, optional
        As for `evaluate`.
    run_dir : path
        Name of the run in messages.
    naming : str
        Further advice in the message if a table has no such part, with ``{split}`` for its name.

    Raises
    ------
    RunFolderError, DataError
        If there is no such part, or it has an unknown class.
    """
    if split is None:
        split = "validation" if given.validation is not None else "test"
    part: Part | None = getattr(given, split)
    if part is None:
        here = [name for name in ("train", "validation", "test") if getattr(given, name) is not None]
        other = f"--split {here[-1]}" + (naming.format(split=split) if given.table is not None else "")
        raise RunFolderError(f"the data of {run_dir} have no {split} part; they have {', '.join(here)}: give {other}.")
    targets = _targets(part, given, network, str(config.data.path or given.name))
    return replace(part, features=network.preprocessing.apply(part.features), targets=targets), split


def _targets(part: Part, given: Dataset, network: SavedNetwork, source: str) -> npt.NDArray[Any]:
    """Return the targets of a part for the network: values, or indices of the network's classes."""
    if network.target_names:
        return part.targets
    labels = [str(label) for label in given.classes.tolist()]
    places = label_places(labels, network.classes)
    for index, place in enumerate(places):
        if place is None:
            raise DataError(
                f"{source}: has the label {quoted(labels[index])}, which no training example had: these had "
                f"{listed([str(label) for label in network.classes.tolist()])}."
            )
        if place in places[:index]:
            raise DataError(
                f"{source}: has the labels {quoted(labels[places.index(place)])} and {quoted(labels[index])}, and the "
                f"network knows only {quoted(str(network.classes[place]))}: write them alike if they are one class."
            )
    targets: npt.NDArray[Any] = np.asarray(places, np.int64)[part.targets]
    return targets

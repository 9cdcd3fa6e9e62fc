"""`predict`: a trained network on new inputs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._files import write_bytes, write_text
from xpmlp.data import read_features
from xpmlp.errors import DataError
from xpmlp.training import run_folder
from xpmlp.training.evaluation import on_device, resolve_for
from xpmlp.training.inference import BATCH, Inference
from xpmlp.training.memory import memory_explained
from xpmlp.training.step import Network


class Prediction(NamedTuple):
    """What a network says about examples.

    Attributes
    ----------
    classes : (n,)
        The most probable class of each example, as its label.
    probabilities : (n, n_classes)
    labels : (n_classes,)
        The class of each column.
    """

    classes: npt.NDArray[Any]
    probabilities: npt.NDArray[Any]
    labels: npt.NDArray[Any]


def predict(
    run_dir: str | Path,
    features: npt.ArrayLike,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
) -> Prediction:
    """Predict the classes of examples with the network of a run folder.

    Parameters
    ----------
    run_dir : path
    features : (n, n_features)
        As the data set has them, before any preprocessing: the run's own is applied.  Images may keep their shape.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional
        Where to compute, if not where the run's config says.

    Returns
    -------
    prediction : Prediction

    Raises
    ------
    RunFolderError, BackendError, ConfigError
        If the run folder or the backend cannot be had.
    DataError
        If the features have another width than the network's input, or a value that is not a finite number or too
        large to compute with.
    """
    config, saved = run_folder.read(Path(run_dir), None if run is None else str(run))
    chosen = resolve_for(config, backend, device)
    raw = _checked(np.asarray(features), saved.parameters[0][0].shape[0])
    inference = Inference(Network(saved.hidden, saved.loss, saved.preprocessing.scale), chosen)
    with chosen.session(BATCH), memory_explained(chosen, 8 * raw.size, "predict fewer examples at a time"):
        probabilities = inference.predict(on_device(chosen, saved), saved.preprocessing.apply(raw))
    if not np.isfinite(probabilities).all():
        example = int(np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0])
        raise DataError(
            f"the network's outputs for example {example} (of 0 to {len(raw) - 1}) are not finite numbers: its "
            f"features are too large for {chosen.dtype_name}."
        )
    return Prediction(saved.classes[probabilities.argmax(axis=1)], probabilities, saved.classes)


def predict_file(
    run_dir: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
) -> Prediction:
    """Predict the examples of a file, and write classes and probabilities to another.

    Parameters
    ----------
    run_dir : path
    source : path
        ``.npy``, ``.npz``, ``.csv`` or IDX (``.gz`` or not).
    output : path
        ``.csv``: a column ``class``, and one ``probability of <label>`` for each class; a label that a spreadsheet
        would take for a formula gets an apostrophe in front.  ``.npy``: a structured
        array with the fields ``class`` and ``probabilities``.  Written whole or not at all.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional

    Raises
    ------
    DataError
        Also if the output has another ending or cannot be written.
    """
    target = Path(output)
    writers = {".csv": _write_csv, ".npy": _write_npy}
    if target.suffix not in writers:
        raise DataError(f"the output {target} must end in .csv or .npy.")
    config, saved = run_folder.read(Path(run_dir), None if run is None else str(run))
    features = read_features(
        Path(source),
        n_features=saved.parameters[0][0].shape[0],
        feature_names=saved.feature_names,
        features=config.data.features,
        target=config.data.target,
    )
    prediction = predict(run_dir, features, run=run, backend=backend, device=device)
    try:
        writers[target.suffix](target, prediction)
    except OSError as error:
        raise DataError(f"the output {target} cannot be written: {error.strerror or error}.") from error
    return prediction


def _checked(features: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    if features.ndim < 2 or features[:1].size != width * len(features[:1]) or not len(features):
        raise DataError(
            f"features have the shape {features.shape}; the network takes (n, {width}) with n of at least 1."
        )
    if features.dtype.kind not in "buif":
        raise DataError(f"features are of type {features.dtype}; the network takes numbers.")
    if not np.isfinite(features).all():
        raise DataError("features have a value that is not a finite number: fill in or leave out such examples.")
    return features.reshape(len(features), width)


def _write_csv(path: Path, prediction: Prediction) -> None:
    header = ["class", *(f"probability of {label}" for label in prediction.labels)]
    labels = prediction.classes.tolist()
    rows = ([label, *row] for label, row in zip(labels, prediction.probabilities, strict=True))
    write_text(path, csv_text([header, *rows]))


def _write_npy(path: Path, prediction: Prediction) -> None:
    probabilities = prediction.probabilities
    fields = [("class", prediction.classes.dtype), ("probabilities", probabilities.dtype, probabilities.shape[1:])]
    table = np.empty(len(probabilities), dtype=fields)
    table["class"], table["probabilities"] = prediction.classes, probabilities
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    write_bytes(path, content.getvalue())

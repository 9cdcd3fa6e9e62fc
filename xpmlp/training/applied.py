"""A trained network at work: `evaluate` on a part of its data set, `predict` for new inputs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._files import check_writable, refuse_overwriting, write_bytes, write_text
from xpmlp._paths import given_path, os_errors_as
from xpmlp.backend import Backend
from xpmlp.config import Config
from xpmlp.data import Dataset, Part, read_features
from xpmlp.data.codes import check_codes
from xpmlp.data.labels import label_places
from xpmlp.data.messages import listed, quoted
from xpmlp.data.numpy_file import CODES, read_npz_codes
from xpmlp.errors import DataError, RunFolderError
from xpmlp.nn import Metric
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.training.arrays import host_array, host_features
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.decision import Decision, decided_by, saved_decision
from xpmlp.training.inference import BATCH, Inference, Score
from xpmlp.training.memory import footprint, memory_explained
from xpmlp.training.step import as_stack
from xpmlp.training.table_prediction import TablePrediction, interval_ends, predict_table, predictor, table_model
from xpmlp.training.trainer import load_data, resolve_configured
from xpmlp.training.vote import member_of

PartName = Literal["train", "validation", "test"]

Ends = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""The lower and the upper ends of intervals, (n, n_targets) each."""


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
    split: PartName | None = None,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_code: bool = False,
) -> Evaluation:
    """Evaluate the network of a run folder.

    Data that are read from another place, or have changed, are taken as the network was trained on its own: its
    columns by name, its classes, its preprocessing.

    Parameters
    ----------
    run_dir : path
    split : "train", "validation" or "test", optional
        By default the part that the training held out: validation, or test where it had none.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional
        Where to compute, if not where the config says.
    overrides : dict, optional
        Keys of ``[data]`` or ``[backend]`` with other values than the run's config has, ``{"data.path": "moved.csv"}``.
    allow_code : bool
        Import the records from outside of the package that the run's config names as ``module:object``.

    Returns
    -------
    evaluation : Evaluation

    Raises
    ------
    RunFolderError
        If it is not a run folder, or does not fit its data set.
    BackendError, DataError, ConfigError
        If the backend is not available, the data or the saved config cannot be read, or the data lack a column or
        have another class.

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
    part, chosen_split = part_for(config, network, given, split, run_dir)
    advice = "evaluate on another backend or device"
    with chosen.session(BATCH), memory_explained(chosen, footprint(trainable).of(1), advice):
        inference = Inference(trainable.network._replace(layers=network.network.layers), chosen)
        examples = inference.to_device(part)
        (score,) = inference.evaluate(as_stack(chosen.parameters(network.parameters)), examples)
    return Evaluation(score, trainable.network.loss.metric, chosen_split, len(part), chosen)


def data_for(config: Config, network: SavedNetwork) -> Dataset:
    """Read a network's data, its columns matched by name, with their own classes and not yet preprocessed.

    Raises
    ------
    DataError
        If they cannot be read, or have codes of other columns than the network takes.
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
    config: Config, network: SavedNetwork, given: Dataset, split: str | None, run_dir: str | Path
) -> tuple[Part, str]:
    """Make a part of a network's data ready for it, with its own classes; and say which part it is.

    Parameters
    ----------
    config, network
    given : Dataset
        From `data_for`.
    split : str, optional
        As of `evaluate`.
    run_dir : path
        How messages call the run.

    Raises
    ------
    RunFolderError, DataError
        If there is no such part, or it has another class.
    """
    if split is None:
        split = "validation" if given.validation is not None else "test"
    part: Part | None = getattr(given, split)
    if part is None:
        here = [name for name in ("train", "validation", "test") if getattr(given, name) is not None]
        raise RunFolderError(f"the data of {run_dir} have no {split} part; they have {', '.join(here)}.")
    targets = _targets(part, given, network, str(config.data.path or given.name))
    return replace(part, features=network.preprocessing.apply(part.features), targets=targets), split


def _targets(part: Part, given: Dataset, network: SavedNetwork, source: str) -> npt.NDArray[Any]:
    """The targets of a part for the network: values, or indices of its own classes."""
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


class Prediction(NamedTuple):
    """A network's outputs for examples, and its decisions.

    Attributes
    ----------
    decided : (n,) or (n, n_targets)
        The most probable class of each example, as its label; or its values, or 1 for yes and 0 for no.
    outputs : (n, n_outputs)
        The probabilities of the classes, or of yes; or the values.
    names : (n_outputs,)
        What each column of ``outputs`` is about: the label of a class, or the name of a target.
    """

    decided: npt.NDArray[Any]
    outputs: npt.NDArray[Any]
    names: npt.NDArray[Any]


def predict(
    run_dir: str | Path,
    features: Any,
    *,
    codes: Any = None,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    allow_missing: bool = False,
    threshold: float | Mapping[str, Any] | None = None,
) -> Prediction:
    """Predict the classes or values of examples with the network of a run folder.

    Parameters
    ----------
    run_dir : path
    features : (n, n_features)
        As the data set has them, before any preprocessing: the run's own is applied.  Images may keep their shape.
        The columns of a data frame (pandas, polars, pyarrow) or a structured array are matched by name, where the
        training data had names; others are left out.
    codes : (n, columns), optional
        Of categories, where the training data had them; those that they did not have are taken for 0.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional
        Where to compute, if not where the run's config says.
    overrides : dict, optional
        Keys of ``[data]`` or ``[backend]`` with other values than the run's config has.
    allow_code : bool
        Import the records from outside of the package that the run's config names as ``module:object``.
    allow_missing : bool
        Of a network that was trained on a table: take columns that are missing for gaps.
    threshold : float or dict, optional
        How a class is chosen, a number or costs as ``model.threshold`` has them, instead of the network's own.

    Returns
    -------
    prediction : Prediction

    Raises
    ------
    RunFolderError, BackendError, ConfigError
        If the run folder cannot be read or the backend is not available.
    DataError
        If the features lack a column of the training data, have another width than the network's input, or a value
        that is not a finite number or too large to compute with.

    Examples
    --------
    >>> import numpy as np
    >>> from xpmlp import load_config, train
    >>> settings = {"train.epochs": 1, "backend.fused": False, "output.plots": False}
    >>> _ = train(load_config("xpmlp:quickstart.toml", settings), "runs/more-digits")
    >>> prediction = predict("runs/more-digits", np.zeros((2, 64)))
    >>> prediction.outputs.shape, prediction.names.tolist()
    ((2, 10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    how = {"codes": codes, "run": run, "backend": backend, "device": device, "overrides": overrides}
    saved, outputs = _outputs(run_dir, features, allow_code=allow_code, allow_missing=allow_missing, **how)
    return _prediction(decided_by(saved, threshold), outputs)


def predict_interval(
    run_dir: str | Path, features: Any, coverage: float = 0.9, **how: Any
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Predict intervals that cover a part of the values, with the network of a run folder.

    Parameters
    ----------
    run_dir : path
    features : (n, n_features)
        As of `predict`.
    coverage : float
        Between 0 and 1.
    **how
        As `predict` takes it.

    Returns
    -------
    lower, upper : (n, n_targets)

    Raises
    ------
    DataError
        Also if the network has no intervals (see `xpmlp.training.intervals`), or too few examples for this coverage.
    RunFolderError, BackendError, ConfigError
        As `predict`.

    Examples
    --------
    >>> import polars as pl
    >>> from xpmlp import load_config, train
    >>> pl.DataFrame({"x": [0.5, 1.5, 2.5, 3.5] * 50, "y": [1.0, 3.0, 5.0, 7.0] * 50}).write_csv("rows.csv")
    >>> settings = {"train.epochs": 1, "backend.fused": False, "output.plots": False}
    >>> settings |= {"data.path": "rows.csv", "data.target": "y", "data.task": "values"}
    >>> _ = train(load_config("xpmlp:table-values.toml", settings), "runs/values")
    >>> lower, upper = predict_interval("runs/values", {"x": [0.5, 2.5]}, coverage=0.8)
    >>> lower.shape, bool((lower < upper).all())
    ((2, 1), True)
    """
    saved, outputs = _outputs(run_dir, features, **how)
    return interval_ends(saved, outputs, coverage)


def _outputs(
    run_dir: str | Path,
    features: Any,
    *,
    codes: Any = None,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    allow_missing: bool = False,
) -> tuple[SavedNetwork, npt.NDArray[Any]]:
    """The network of a run folder, and its outputs (n, n_outputs)."""
    place = {"backend": backend, "device": device}
    config, saved = run_folder.read(given_path(run_dir), run, overrides, **place, allow_code=allow_code)
    if (model := table_model(saved)) is not None:
        from xpmlp.data.tables import as_frame  # with polars, so imported late

        with predictor(resolve_configured(config.backend).backend, saved, model) as predict_rows:
            return saved, predict_rows(as_frame(features, "the table").data, allow_missing)[0]
    given = None if codes is None else host_array(codes, "codes")
    return saved, _predicted(config, saved, host_features(features, saved.feature_names, "features"), given)


def _predicted(
    config: Config, saved: SavedNetwork, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    chosen = resolve_configured(config.backend).backend
    raw = _checked(features, saved.network.widths.numbers)
    codes = _checked_codes(codes, len(raw), len(saved.network.widths.codes))
    inference = Inference(saved.network, chosen)
    with chosen.session(BATCH), memory_explained(chosen, 8 * raw.size, "predict fewer examples at a time"):
        outputs = inference.predict(chosen.parameters(saved.parameters), saved.preprocessing.apply(raw), codes)
    if not np.isfinite(outputs).all():
        example = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
        raise DataError(
            f"the network's outputs for example {example} (of 0 to {len(raw) - 1}) are not finite numbers: its "
            f"features are too large for {chosen.dtype_name}."
        )
    return outputs


def predict_file(
    run_dir: str | Path,
    source: str | Path,
    output: str | Path,
    *,
    run: str | int | None = None,
    backend: str | None = None,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    allow_code: bool = False,
    keep: Sequence[str] = (),
    allow_missing: bool = False,
    threshold: float | Mapping[str, Any] | None = None,
    interval: float | None = None,
) -> Prediction | TablePrediction:
    """Predict the examples of a file, and write classes and probabilities, or values, to another.

    Parameters
    ----------
    run_dir : path
    source : path
        ``.npy``, ``.npz``, ``.csv`` or IDX (``.gz`` or not).
    output : path
        ``.csv``: a column ``class``, and one ``probability of <label>`` for each class; of values a column for each
        target, by its name.  A name that a spreadsheet would take for a formula gets an apostrophe in front.
        ``.npy``: a structured array with the fields ``class`` and ``probabilities``; of values an array
        (n, n_targets), or with intervals one with the fields ``value``, ``lower`` and ``upper``.  Written whole or not
        at all.
    run : int or "best", optional
        Which run, where the folder holds those of a grid.
    backend, device : str, optional
    overrides : dict, optional
    allow_code : bool
        See `predict`.
    keep : sequence of str
        Of a network that was trained on a table: columns of the source that are written before the predictions.
    allow_missing : bool
        Of such a network: take columns that are missing for gaps.
    threshold : float or dict, optional
        See `predict`.
    interval : float, optional
        Write intervals around values, too, that cover this part of the targets, as 0.9: columns ``lower`` and
        ``upper``, or of several targets two for each.

    Returns
    -------
    prediction : Prediction, or TablePrediction of a network that was trained on a table

    Raises
    ------
    DataError
        Also if the output has another ending or cannot be written.
    XpmlpError
        If the output is the input, the data that the network was trained on, or a file of the run folder.
    """
    source, target = given_path(source), given_path(output)
    writers = {".csv": _write_csv, ".npy": _write_npy}
    if target.suffix not in writers:
        raise DataError(f"the output {target} must end in .csv or .npy.")
    folder = given_path(run_dir)
    place = {"backend": backend, "device": device}
    config, saved = run_folder.read(folder, run, overrides, **place, allow_code=allow_code)
    saved = decided_by(saved, threshold)

    def ends_of(outputs: npt.NDArray[Any]) -> Ends | None:
        return None if interval is None else interval_ends(saved, outputs, interval)

    def array_of(parts: Sequence[npt.NDArray[Any]]) -> bytes:
        outputs = np.concatenate(parts)
        return _npy(_prediction(saved, outputs), ends_of(outputs))

    folders = [folder, *folder.glob(f"{run_folder.RUNS}/*")]
    own = [one / name for one in folders for name in (*run_folder.FILES, run_folder.SUMMARY)]
    refuse_overwriting([target], [source, *config.files, *own])
    unwritable = f"the output {target} cannot be written"
    with os_errors_as(DataError, unwritable):
        check_writable(target)
    if table_model(saved) is not None:
        with os_errors_as(DataError, unwritable):
            return predict_table(
                config,
                saved,
                resolve_configured(config.backend).backend,
                source,
                target,
                keep=keep,
                allow_missing=allow_missing,
                columns_of=lambda outputs: _columns(_prediction(saved, outputs), ends_of(outputs)),
                array_of=array_of,
            )
    if keep or allow_missing:
        raise DataError("--keep and --allow-missing are for networks that were trained on a table.")
    features = read_features(
        source,
        n_features=saved.network.widths.numbers,
        data_format=config.data.name,
        feature_names=saved.feature_names,
        features=str(config.data.features),
        target=config.data.target,
        missing=config.data.missing,
    )
    codes = read_npz_codes(source) if saved.network.widths.codes and source.suffix == ".npz" else None
    outputs = _predicted(config, saved, features, codes)
    prediction = _prediction(saved, outputs)
    with os_errors_as(DataError, unwritable):
        writers[target.suffix](target, prediction, ends_of(outputs))
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


def _checked_codes(codes: npt.NDArray[Any] | None, n: int, columns: int) -> npt.NDArray[Any] | None:
    if not columns:
        return None
    if codes is None:
        raise DataError(
            f"the network takes codes of {columns} columns of categories: give them in an npz file as the array "
            f"{CODES!r}, in Python as codes=..."
        )
    checked = check_codes(codes, n, "codes")
    if checked.shape[1] != columns:
        raise DataError(f"codes have {checked.shape[1]} columns, but the network takes {columns}.")
    return checked


def _prediction(saved: SavedNetwork, outputs: npt.NDArray[Any]) -> Prediction:
    """The prediction that finite outputs of a network (n, n_outputs) mean."""
    decision = saved_decision(saved)
    if not saved.target_names:
        if outputs.shape[1] == 1:  # the probability of the second of two classes
            outputs = np.concatenate([1 - outputs, outputs], axis=1)
        chosen = outputs.argmax(axis=1) if decision is None else decision.choose(outputs)
        return Prediction(saved.classes[chosen], outputs, saved.classes)
    loss = saved.network.loss
    decided = (decision or Decision(thresholds=(0.5,))).choose(outputs) if loss.targets == "flags" else outputs
    return Prediction(decided, outputs, np.asarray(loss.output_names(saved.target_names)))


def _columns(prediction: Prediction, ends: Ends | None = None) -> dict[str, npt.NDArray[Any]]:
    """The columns of a CSV file."""
    decided, outputs, names = prediction
    columns = {"class": decided} if decided.ndim == 1 else dict(zip(names.tolist(), decided.T, strict=True))
    if decided is not outputs:
        columns |= {f"probability of {name}": column for name, column in zip(names.tolist(), outputs.T, strict=True)}
    for end, values in zip(("lower", "upper"), ends or (), strict=False):
        called = [end] if len(names) == 1 else [f"{name} {end}" for name in names.tolist()]
        columns |= dict(zip(called, values.T, strict=True))
    return columns


def _write_csv(path: Path, prediction: Prediction, ends: Ends | None) -> None:
    columns = _columns(prediction, ends)
    rows = zip(*columns.values(), strict=True)
    write_text(path, csv_text([list(columns), *rows]))


def _write_npy(path: Path, prediction: Prediction, ends: Ends | None) -> None:
    write_bytes(path, _npy(prediction, ends))


def _npy(prediction: Prediction, ends: Ends | None) -> bytes:
    decided, outputs, _ = prediction
    table = outputs
    if ends is not None:
        kind = (outputs.dtype, outputs.shape[1:])
        table = np.empty(len(outputs), dtype=[(name, *kind) for name in ("value", "lower", "upper")])
        table["value"], table["lower"], table["upper"] = outputs, *ends
    elif decided is not outputs:
        fields = [
            ("class", decided.dtype, decided.shape[1:]),
            ("probabilities", outputs.dtype, outputs.shape[1:]),
        ]
        table = np.empty(len(outputs), dtype=fields)
        table["class"], table["probabilities"] = decided, outputs
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    return content.getvalue()

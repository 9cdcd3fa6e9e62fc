"""`predict`, `predict_interval` and `predict_file`: outputs of a trained network for new inputs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._files import check_output_file, write_bytes, write_text
from xpmlp._paths import given_path, os_errors_as
from xpmlp.config import Config
from xpmlp.data import read_features
from xpmlp.data.codes import check_codes
from xpmlp.data.numpy_file import CODES, read_npz_codes
from xpmlp.errors import DataError
from xpmlp.storage import SavedNetwork, run_folder
from xpmlp.training.arrays import host_array, host_features
from xpmlp.training.decision import Decision, decided_by, saved_decision
from xpmlp.training.inference import BATCH, Inference
from xpmlp.training.memory import memory_explained
from xpmlp.training.table_prediction import TablePrediction, TablePredictor, interval_ends, predict_table, table_model
from xpmlp.training.trainer import resolve_configured

Ends = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Lower and upper ends of intervals, (n, n_targets) each."""


class Prediction(NamedTuple):
    """Outputs of a network for examples, and its decisions.

    Attributes
    ----------
    decided : (n,) or (n, n_targets)
        The most probable class of each example, as its label; or its values, or 1 for yes and 0 for no.
    outputs : (n, n_outputs)
        The probabilities of the classes, or of yes; or the values.
    names : (n_outputs,)
        Names of the columns of ``outputs``: labels of classes, or names of targets.
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
    threshold: float | Mapping[Any, Any] | None = None,
) -> Prediction:
    """Predict the classes or values of examples with the network of a run folder.

    Parameters
    ----------
    run_dir : path
    features : (n, n_features)
        As in the data set, without preprocessing: the run's own is applied.  Images may keep their shape.  The columns
        of a data frame (pandas, polars, pyarrow) or a structured array are matched by name, if the training data had
        names; others are ignored.
    codes : (n, columns), optional
        Codes of categories, if the training data had them; codes unknown to the network are replaced by 0.
    run : int or "best", optional
        The run to predict with, if the folder holds the runs of a grid.
    backend, device : str, optional
        Backend and device for the computation, by default those of the run's config.
    overrides : dict, optional
        Values to override in the run's config, by keys of ``[data]`` or ``[backend]``.
    allow_code : bool
        Import the external records that the run's config names as ``module:object``.
    allow_missing : bool
        For a network trained on a table: treat missing columns as columns of missing values.
    threshold : float or dict, optional
        Rule for choosing a class instead of the network's own: a number or costs, as for ``model.threshold``.

    Returns
    -------
    prediction : Prediction

    Raises
    ------
    RunFolderError, BackendError, ConfigError
        If the run folder cannot be read or the backend is not available.
    DataError
        If the features lack a column of the training data, have another width than the network's input, or contain a
        value that is not finite or is too large to compute with.

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
    where = {"run": run, "backend": backend, "device": device, "overrides": overrides, "allow_code": allow_code}
    saved, outputs = _outputs(run_dir, features, codes=codes, allow_missing=allow_missing, **where)
    return _prediction(decided_by(saved, threshold), outputs)


def predict_interval(
    run_dir: str | Path, features: Any, coverage: float = 0.9, **how: Any
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Predict intervals with a given coverage of the values, with the network of a run folder.

    Parameters
    ----------
    run_dir : path
    features : (n, n_features)
        As for `predict`.
    coverage : float
        Between 0 and 1.
    **how
        Other arguments of `predict`, except ``threshold``.

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
    run_dir: str | Path, features: Any, *, codes: Any = None, allow_missing: bool = False, **where: Any
) -> tuple[SavedNetwork, npt.NDArray[Any]]:
    """Return the network of a run folder and its outputs (n, n_outputs); ``where`` is passed to `run_folder.read`."""
    config, saved = run_folder.read(given_path(run_dir), **where)
    model = table_model(saved)
    if allow_missing and model is None:
        raise DataError("allow_missing is for networks that were trained on a table: leave it out.")
    if codes is not None and not (saved.network.widths.codes and model is None):
        raise DataError("codes are for networks that were trained on codes of categories: leave them out.")
    if model is not None:
        from xpmlp.data.tables import as_frame  # with polars, so imported late

        frame = as_frame(features, "the table").data
        if not frame.height:
            raise DataError("the table has no rows to predict")
        ready = TablePredictor(resolve_configured(config.backend).backend, saved, model)
        with ready.session(frame.height) as predict_rows:
            return saved, predict_rows(frame, allow_missing)[0]
    given = None if codes is None else host_array(codes, "codes")
    return saved, _predicted(config, saved, host_features(features, saved.feature_names, "features"), given)


def _predicted(
    config: Config, saved: SavedNetwork, features: npt.NDArray[Any], codes: npt.NDArray[Any] | None
) -> npt.NDArray[Any]:
    chosen = resolve_configured(config.backend).backend
    raw = _checked(features, saved.network.widths.numbers)
    codes = _checked_codes(codes, len(raw), len(saved.network.widths.codes))
    inference = Inference(saved.network, chosen)
    with chosen.session(BATCH, len(raw)), memory_explained(chosen, 8 * raw.size, "predict fewer examples at a time"):
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
    threshold: float | Mapping[Any, Any] | None = None,
    interval: float | None = None,
) -> Prediction | TablePrediction:
    """Predict the examples of a file, and write classes and probabilities, or values, to another file.

    Parameters
    ----------
    run_dir : path
    source : path
        ``.npy``, ``.npz``, ``.csv`` or IDX (``.gz`` or not).
    output : path
        ``.csv``: a column ``class``, and one ``probability of <label>`` for each class; for values a column for each
        target, by its name.  A name that a spreadsheet would read as a formula gets an apostrophe in front.
        ``.npy``: a structured array with the fields ``class`` and ``probabilities``; for values an array
        (n, n_targets), or with intervals one with the fields ``value``, ``lower`` and ``upper``.  Written whole or not
        at all.
    run : int or "best", optional
        The run to predict with, if the folder holds the runs of a grid.
    backend, device : str, optional
    overrides : dict, optional
    allow_code : bool
        See `predict`.
    keep : sequence of str
        For a network trained on a table: columns of the source to write before the predictions.  A column of
        predictions called as one of them becomes ``predicted <name>``.
    allow_missing : bool
        For such a network: treat missing columns as columns of missing values.
    threshold : float or dict, optional
        See `predict`.
    interval : float, optional
        Also write intervals around values with this coverage of the targets, for example 0.9: columns ``lower`` and
        ``upper``, or for several targets two for each, with the target's name in front, as also where a target has
        the name of an end.

    Returns
    -------
    prediction : Prediction, or TablePrediction for a network trained on a table

    Raises
    ------
    DataError
        Also if the output has another ending or cannot be written.
    XpmlpError
        If the output is the input, the network's training data, or a file of the run folder.
    """
    source, target = given_path(source), given_path(output)
    if target.suffix not in (".csv", ".npy"):
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
    check_output_file(target, [source, *config.files, *own], DataError)
    unwritable = f"the output {target} cannot be written"
    if table_model(saved) is not None:
        with os_errors_as(DataError, unwritable):
            return predict_table(
                config,
                saved,
                resolve_configured(config.backend).backend,
                source,
                target,
                overridden=overrides or {},
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
    codes = read_npz_codes(source) if saved.network.widths.codes and source.suffix.lower() == ".npz" else None
    outputs = _predicted(config, saved, features, codes)
    prediction = _prediction(saved, outputs)
    with os_errors_as(DataError, unwritable):
        if target.suffix == ".csv":
            columns = _columns(prediction, ends_of(outputs))
            write_text(target, csv_text([list(columns), *zip(*columns.values(), strict=True)]))
        else:
            write_bytes(target, array_of([outputs]))
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
    """Convert finite outputs of a network (n, n_outputs) to a prediction."""
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
    """Return the columns of a CSV file by name."""
    decided, outputs, names = prediction
    columns = {"class": decided} if decided.ndim == 1 else dict(zip(names.tolist(), decided.T, strict=True))
    if decided is not outputs:
        columns |= {f"probability of {name}": column for name, column in zip(names.tolist(), outputs.T, strict=True)}
    for end, values in zip(("lower", "upper"), ends or (), strict=False):
        for name, column in zip(names.tolist(), values.T, strict=True):
            called = end if len(names) == 1 else f"{name} {end}"
            while called in columns:  # a target may have any name
                called = f"{name} {called}"
            columns[called] = column
    return columns


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

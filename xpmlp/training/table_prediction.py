"""Networks trained on a table, applied to new rows: predictions, files, intervals, classes for further training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._csv import csv_text
from xpmlp._files import replacing, write_bytes
from xpmlp.backend import Backend
from xpmlp.config import Config
from xpmlp.data import Dataset
from xpmlp.data.labels import label_places
from xpmlp.data.messages import did_you_mean, listed, quoted
from xpmlp.data.table_options import Given
from xpmlp.errors import DataError
from xpmlp.storage import SavedNetwork
from xpmlp.training.inference import BATCH, Inference
from xpmlp.training.intervals import saved_intervals
from xpmlp.training.memory import memory_explained

if TYPE_CHECKING:
    import polars as pl

    from xpmlp.data.tables import Encoded, TableModel

Outputs = npt.NDArray[Any]

MAX_COLUMNS = 3
"""Maximum number of columns named for each difference from the training rows; the others are counted."""


class TablePrediction(NamedTuple):
    """Summary of the predictions written for a table.

    Attributes
    ----------
    rows : int
    notes : tuple of str
        Notes on the file, and on differences between its rows and the training rows.
    """

    rows: int
    notes: tuple[str, ...]


def table_model(saved: SavedNetwork) -> TableModel | None:
    """Return the encoding of a network trained on a table; ``None`` for other networks."""
    found = (saved.sections or {}).get("table")
    if found is None:
        return None
    from xpmlp.data.tables import TableModel  # with polars, so imported late

    return TableModel.from_saved(found)


def interval_ends(saved: SavedNetwork, values: Outputs, coverage: float) -> tuple[Outputs, Outputs]:
    """Return the ends of intervals around a network's predicted values (n, n_targets), (n, n_targets) each.

    Raises
    ------
    DataError
        If the network has no intervals, or none with this coverage.
    """
    intervals, model = saved_intervals(saved), table_model(saved)
    if model is None:
        return intervals.around(values, coverage)
    lower, upper = intervals.around(model.target.scaled(values.astype(np.float64)), coverage)
    return model.target.unscaled(lower), model.target.unscaled(upper)


def going_on(dataset: Dataset, start: SavedNetwork) -> Dataset:
    """Convert the class indices of new rows to those of a trained network.

    Raises
    ------
    DataError
        If the network was not trained on a table, the rows are not a table, or a class is new.
    """
    if table_model(start) is None:
        raise DataError("the network to continue from was not trained on a table: train anew.")
    if dataset.table is None:
        raise DataError('the new rows are not a table: name their file as data.path, with data.name = "table".')
    if not start.classes.size:
        return dataset
    labels = [str(label) for label in dataset.classes.tolist()]
    places = label_places(labels, start.classes)
    new = [label for label, place in zip(labels, places, strict=True) if place is None]
    if new:
        raise DataError(
            f"the rows have {listed(new)}, which the network to continue from does not know: its classes are "
            f"{listed([str(one) for one in start.classes.tolist()])}; train anew."
        )
    indices = np.asarray(places, dtype=np.int64)
    changed = dataset.mapped(lambda part: replace(part, targets=indices[part.targets]))
    return replace(changed, classes=start.classes)


class TablePredictor:
    """Predictor for a network trained on a table, for repeated predictions on a backend.

    Parameters
    ----------
    backend : Backend
    saved : SavedNetwork
    model : TableModel
        Its encoding, from `table_model`.
    """

    def __init__(self, backend: Backend, saved: SavedNetwork, model: TableModel) -> None:
        self.backend, self.model = backend, model
        self.inference, self.parameters = Inference(saved.network, backend), backend.parameters(saved.parameters)

    @contextmanager
    def session(self, rows: int | None = None) -> Iterator[TablePredictor]:
        """Yield the predictor within its session, for this number of rows, if known."""
        with self.backend.session(BATCH, rows), memory_explained(self.backend, 0, "predict fewer rows at a time"):
            yield self

    def __call__(self, frame: pl.DataFrame, allow_missing: bool = False) -> tuple[Outputs, Encoded]:
        """Encode and predict a frame; return the outputs (n, n_out), values unscaled, and the encoded frame."""
        encoded = self.model.encoding.encode(frame, allow_missing=allow_missing)
        numbers = encoded.numbers if encoded.numbers.shape[1] else np.zeros((frame.height, 1), np.float32)
        outputs = self.inference.predict(self.parameters, numbers, encoded.codes if encoded.codes.shape[1] else None)
        return (self.model.target.unscaled(outputs) if self.model.target.task == "values" else outputs), encoded


def predict_table(
    config: Config,
    saved: SavedNetwork,
    backend: Backend,
    source: Path,
    target: Path,
    *,
    overridden: Collection[str],
    keep: Sequence[str],
    allow_missing: bool,
    columns_of: Callable[[Outputs], dict[str, npt.NDArray[Any]]],
    array_of: Callable[[Sequence[Outputs]], bytes],
) -> TablePrediction:
    """Predict the rows of a file, in bounded memory, and write a CSV or an npy file, whole or not at all.

    Parameters
    ----------
    config, saved, backend
    source, target : Path
    overridden : collection of str
        The keys of the config that are set for this file, in place of the run's.
    keep : sequence of str
        Columns of the source to write before the predictions in a CSV file; a column of predictions called as one of
        them becomes ``predicted <name>``.
    allow_missing : bool
        Treat missing columns as columns of missing values.
    columns_of : (outputs) -> dict
        Returns the columns of a CSV file.
    array_of : (list of outputs) -> bytes
        Returns the content of an npy file.

    Raises
    ------
    DataError
        Also if a column to keep has the name that a column of predictions gets instead, or cannot be text.
    """
    from xpmlp.data.tables import read_batches
    from xpmlp.data.tables.cells import cast_to_texts

    model = table_model(saved)
    assert model is not None
    if "data.decimal" in overridden and config.data.decimal is not None:
        model = model.model_copy(update={"encoding": model.encoding.with_decimal(config.data.decimal)})
    keep = list(dict.fromkeys(keep))
    header = _header(keep, list(columns_of(np.ones((1, saved.network.root.width)))))
    given, encoding = Given(*(getattr(config.data, name) for name in Given._fields)), None
    if "data.encoding" not in overridden:
        given, encoding = given._replace(encoding=None), given.encoding
    kinds = {column.name: column.kind for column in model.encoding.table_schema.columns}
    notes, batches = read_batches(source, given, encoding=encoding, kinds=kinds)
    rows, unseen, unreadable, moments = 0, Counter[str](), Counter[str](), None
    outputs: list[Outputs] = []
    with TablePredictor(backend, saved, model).session() as predict, replacing(target) as temporary:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            for frame in batches:
                _check_kept(frame, keep, source)
                predicted, encoded = predict(frame, allow_missing)
                unseen.update(encoded.unseen)
                unreadable.update(encoded.unreadable)
                moments = encoded.moments if moments is None else moments + encoded.moments
                if target.suffix == ".csv":
                    kept = [cast_to_texts(frame[name]).to_list() for name in keep]
                    body = zip(*kept, *columns_of(predicted).values(), strict=True)
                    file.write(csv_text(body if rows else [header, *body]))
                else:
                    outputs.append(predicted)
                rows += frame.height
        if target.suffix != ".csv":
            write_bytes(temporary, array_of(outputs))
    if moments is not None:
        notes = [*notes, *_differences(model, rows, unseen, unreadable, moments)]
    return TablePrediction(rows, tuple(notes))


def _header(keep: Sequence[str], predicted: Sequence[str]) -> list[str]:
    """Return the names of the kept columns and of those of predictions, renamed where they are kept ones."""
    header = [*keep, *(f"predicted {name}" if name in keep else name for name in predicted)]
    repeated = [name for name, times in Counter(header).items() if times > 1]
    if repeated:
        raise DataError(
            f"--keep: two columns of the output would be called {quoted(repeated[0])}; rename or leave out one"
        )
    return header


def _check_kept(frame: pl.DataFrame, keep: Sequence[str], source: Path) -> None:
    for name in keep:
        if name not in frame.columns:
            raise DataError(f"{source}: has no column {quoted(name)} to keep{did_you_mean(name, frame.columns)}")


def _differences(
    model: TableModel,
    rows: int,
    unseen: Counter[str],
    unreadable: Counter[str],
    moments: npt.NDArray[np.float64],
) -> Iterator[str]:
    """Yield one line on the differences between the rows and the training rows, if there are any."""
    parts = []
    if unseen:
        parts.append(f"categories never seen in training: {_counts(unseen)}")
    if unreadable:
        parts.append(f"values that are no numbers, dates or known levels, read as missing: {_counts(unreadable)}")
    if moved := model.encoding.moved(moments):
        parts.append(f"columns that have moved since training: {listed(moved, MAX_COLUMNS)}")
    if parts:
        yield f"of {rows:,} rows: {'; '.join(parts)}"


def _counts(found: Counter[str]) -> str:
    """List the columns with the largest counts, and the number of the others."""
    shown = ", ".join(f"{quoted(name)} {count:,}" for name, count in found.most_common(MAX_COLUMNS))
    return shown if len(found) <= MAX_COLUMNS else f"{shown} and {len(found) - MAX_COLUMNS:,} more"

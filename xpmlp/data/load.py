"""Loading of any data set; the arguments are those of a config's ``[data]`` section."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from xpmlp._paths import given_path
from xpmlp._records import is_outside
from xpmlp.data.dataset import Dataset
from xpmlp.data.format import Format, Request
from xpmlp.data.formats import formats
from xpmlp.data.labels import MISSING
from xpmlp.data.messages import did_you_mean
from xpmlp.data.source import check_source
from xpmlp.data.splits import Split
from xpmlp.data.table import TargetKind, checked_table, split_table, standardized
from xpmlp.data.table_options import TableOptions
from xpmlp.errors import DataError

if TYPE_CHECKING:
    from xpmlp.data.tables.loading import TableModel

FEATURES = "features"
"""The default name of an npz file's array of features; for a table, all columns."""


def load(
    name: str,
    *,
    split: str = "validation",
    root: str | Path | None = None,
    path: str | Path | None = None,
    target: str | Sequence[str] = "target",
    features: str | Sequence[str] = "features",
    validation_size: int | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    standardize: bool | None = None,
    targets: TargetKind = "auto",
    feature_names: tuple[str, ...] | None = None,
    missing: Sequence[str] = MISSING,
    known_labels: Sequence[str] | None = None,
    quiet: bool = True,
    table: TableOptions | None = None,
    table_model: TableModel | None = None,
) -> Dataset:
    """Load a data set, split it and preprocess it.

    Messages name the arguments as in a config: ``data.split``.

    Parameters
    ----------
    name : str
        A key of `xpmlp.data.formats.formats`, or the name of an allowed format from outside.
    split : str
        ``validation`` holds examples out of the training data; ``test`` trains on all of them and has no
        validation part; ``three-way`` has the same parts as ``validation``, for a trainer that tests at the end.
        The test part is the same in all three.
    root : str, Path or None
        For mnist and fashion-mnist: the folder with all their files; None to search for them, or download them.
    path : str, Path or None
        For csv and npz: the file.
    target, features : str
        The column or columns (csv) or array (npz) of the targets, and the npz file's array of the features.
    validation_size : int or None
        How many examples to hold out.  None: 5,000 of mnist and fashion-mnist, 10,000 of synth (the last ones), and a
        tenth of the others, stratified by ``seed``; of a table at least 100, and at most a fifth.
    test_fraction : float
        For digits, csv and npz: the share of all examples in the test part, stratified by ``seed``.
    seed : int
        Of the stratified splits.
    standardize : bool or None
        Whether to standardise the features by the training part's means and standard deviations.  None: csv and npz
        are standardised, unless the npz file has uint8 images.
    targets : "auto", "classes", "values" or "flags"
        The kind of targets in csv and npz; see `xpmlp.data.table.split_table`.
    feature_names : tuple of str, or None
        The named columns of csv and npz to take, in this order; by default all but the targets.
    missing : sequence of str
        For csv: the texts that mean a missing value, as given, in upper case or in lower case; ``-`` is a label if
        ``+`` is one, too.
    known_labels : sequence of str, or None
        The labels of the network for which csv and npz are read: a single class suffices, and no label means a missing
        value.
    quiet : bool
        Whether a download draws no progress bars.
    table : TableOptions, optional
        For tables: options for their columns.
    table_model : TableModel, optional
        The table model of the network for which a table is read.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If an argument is not valid, or the data are missing, damaged or unfit for the split.

    Examples
    --------
    >>> digits = load("digits", split="three-way")
    >>> digits.train.features.shape, len(digits.validation), len(digits.test), digits.n_classes
    ((1293, 64), 144, 360, 10)
    """
    record = _record(name)
    known_split = _known_split(split)
    _check_sizes(validation_size, test_fraction, seed)
    request = Request(
        path=_checked_path(name, record, path, root),
        target=target,
        features=_array_name(name, features),
        feature_names=feature_names,
        missing=[text for text in missing if text not in (known_labels or ())],
        targets=targets,
        split=known_split,
        root=root,
        validation_size=validation_size,
        quiet=quiet,
        test_fraction=test_fraction,
        seed=seed,
        table=_options(table, features),
        table_model=table_model,
    )
    if not record.has_test and split != "validation":
        raise DataError(f'data.split = "{split}" needs a test part, and {name} has none: use data.split = "validation"')
    read = record.read(request)
    if isinstance(read, Dataset):
        return standardized(read) if standardize else read
    return split_table(
        checked_table(read, name) if is_outside(name) else read,
        name=name,
        split=known_split,
        test_fraction=test_fraction,
        validation_size=validation_size,
        seed=seed,
        standardize=standardize,
        targets=targets,
        fewest_classes=2 if known_labels is None else 1,
    )


def _record(name: str) -> Format:
    if name not in formats and not is_outside(name):
        raise DataError(f"there is no data set {name!r}{did_you_mean(name, list(formats))}")
    return formats[name]


def _checked_path(name: str, record: Format, path: str | Path | None, root: str | Path | None) -> Path:
    """Check the path given for a format, and return it; an empty one for a format without files."""
    for key, value in (("path", path), ("root", root)):
        if value is not None and key not in record.keys:
            users = " and ".join(one for one in formats if key in formats[one].keys)
            raise DataError(f"data.{key} = {str(value)!r} is for {users}; {name} does not read it")
    if "path" not in record.keys:
        return Path()
    if path is None:
        raise DataError(f'{name} needs a file: set data.path = "..." to yours')
    path = given_path(path)
    if record.folders and path.is_dir():
        return path
    check_source(path, pipes=True, advice="say where it is with data.path, as --set data.path=FILE")
    return path


def _array_name(name: str, features: str | Sequence[str]) -> str:
    if isinstance(features, str):
        return features
    if name != "table":
        raise DataError(f"data.features = {list(features)} is a list of columns, which is for tables: name one array")
    return FEATURES


def _options(table: TableOptions | None, features: str | Sequence[str]) -> TableOptions:
    """Return the options of a table, with the feature columns if they are given."""
    options = table or TableOptions()
    if features == FEATURES:
        return options
    return options._replace(features=(features,) if isinstance(features, str) else tuple(features))


def _known_split(split: str) -> Split:
    known = get_args(Split)
    if split not in known:
        raise DataError(f"there is no split {split!r}{did_you_mean(split, known)}")
    return cast("Split", split)


def _check_sizes(validation_size: int | None, test_fraction: float, seed: int) -> None:
    if validation_size is not None and validation_size < 1:
        raise DataError(f"data.validation_size = {validation_size} must be 1 or more, or be left out")
    if not 0.0 <= test_fraction < 1.0:
        raise DataError(f"data.test_fraction = {test_fraction} must be at least 0 and less than 1")
    if seed < 0:
        raise DataError(f"data.seed = {seed} must be 0 or more")

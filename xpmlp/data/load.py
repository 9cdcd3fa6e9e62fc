"""One door to every data set: its arguments are the ``[data]`` section of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np

from xpmlp._paths import given_path
from xpmlp.data.dataset import Dataset
from xpmlp.data.image_sets import IMAGE_SETS
from xpmlp.data.labels import MISSING
from xpmlp.data.messages import did_you_mean, listed
from xpmlp.data.source import check_source
from xpmlp.data.splits import Split
from xpmlp.data.table import Table, TargetKind, split_table, standardized
from xpmlp.errors import DataError

SetName = Literal["mnist", "fashion-mnist", "synth", "digits", "csv", "npz"]


def load(
    name: str,
    *,
    split: str = "validation",
    root: str | Path | None = None,
    path: str | Path | None = None,
    target: str | Sequence[str] = "target",
    features: str = "features",
    validation_size: int | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    standardize: bool | None = None,
    targets: TargetKind = "auto",
    feature_names: tuple[str, ...] | None = None,
    missing: Sequence[str] = MISSING,
    known_labels: Sequence[str] | None = None,
    quiet: bool = True,
) -> Dataset:
    """Load a data set, split it and preprocess it.

    Messages name the arguments as a config does, ``data.split``.

    Parameters
    ----------
    name : str
        ``mnist``, ``fashion-mnist``, ``synth``, ``digits``, ``csv`` or ``npz``.
    split : str
        ``validation`` holds examples out of the training data; ``test`` trains on all of them and has no
        validation part; ``three-way`` has the parts of ``validation``, for a trainer that tests at the end.
        The test part is the same for each of them.
    root : str, Path or None
        For mnist and fashion-mnist: the folder to look for their files in first.
    path : str, Path or None
        For csv and npz: the file.
    target, features : str
        The file's column or columns (csv) or its array (npz) with the targets, and the npz file's array with the
        features.
    validation_size : int or None
        How many examples to hold out.  None: 5,000 of mnist and fashion-mnist, 10,000 of synth (the last ones),
        and a tenth of the others, stratified by ``seed``.
    test_fraction : float
        For digits, csv and npz: the share of all examples, stratified by ``seed``, that makes the test part.
    seed : int
        Of the stratified splits.
    standardize : bool or None
        Whether to standardise the features with the training part's means and deviations.  None: csv and npz
        are, unless the npz file has uint8 images.
    targets : "auto", "classes", "values" or "flags"
        What the targets of csv and npz are; see `xpmlp.data.table.split_table`.
    feature_names : tuple of str, or None
        The columns of csv and npz to take, where they have names, in this order; by default all but the targets.
    missing : sequence of str
        For csv: the texts that mean a gap, as they are, in capitals or in small letters; ``-`` means none among labels
        of which one is ``+``.
    known_labels : sequence of str, or None
        The labels of a network that csv and npz are read for: one of them alone will do, and none of them means a gap.
    quiet : bool
        Whether a download draws no progress bars.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If an argument is not one of those above, or the data are missing, damaged or not fit for the split.
    """
    if name == "arrays":
        raise DataError(
            'data.name = "arrays" is for data given in Python, as xpmlp.train(config, data=xpmlp.from_arrays(x, y)); '
            "they are saved nowhere: name a data set or a file, or use xpmlp.predict on what was trained."
        )
    _check_source(name, root, path)
    known_split = _known_split(split)
    _check_sizes(validation_size, test_fraction, seed)
    if name in IMAGE_SETS:
        from xpmlp.data.mnist import load_image_set

        dataset = load_image_set(
            IMAGE_SETS[name], split=known_split, root=root, validation_size=validation_size, quiet=quiet
        )
        return standardized(dataset) if standardize else dataset
    if name == "synth":
        from xpmlp.data.synth import load_synth

        dataset = load_synth(split=known_split, validation_size=validation_size)
        return standardized(dataset) if standardize else dataset
    markers = [text for text in missing if text not in (known_labels or ())]
    table, standardize_by_default, scale = _read_table(name, path, target, features, feature_names, targets, markers)
    return split_table(
        table,
        name=name,
        split=known_split,
        test_fraction=test_fraction,
        validation_size=validation_size,
        seed=seed,
        standardize=standardize_by_default if standardize is None else standardize,
        scale=scale,
        targets=targets,
        fewest_classes=2 if known_labels is None else 1,
    )


def _read_table(
    name: str,
    path: str | Path | None,
    target: str | Sequence[str],
    features: str,
    feature_names: tuple[str, ...] | None,
    kind: TargetKind,
    missing: Sequence[str],
) -> tuple[Table, bool, float]:
    """The table called ``name``, whether to standardise it by default, and its scale where it is not."""
    if name == "digits":
        from xpmlp.data.digits import read_digits

        return read_digits(), False, 1 / 16
    if path is None:
        raise DataError(f'{name} needs a file: set data.path = "..." to yours')
    path = given_path(path)
    check_source(path, pipes=True, advice="say where it is with data.path, as --set data.path=FILE")
    if name == "csv":
        from xpmlp.data.csv_file import read_csv_table

        return read_csv_table(path, target, feature_names, kind=kind, missing=missing), True, 1.0
    from xpmlp.data.numpy_file import read_npz_table

    if not isinstance(target, str):
        raise DataError(f"an npz file has one array of targets: give data.target its name, not {listed(target)}")
    table = read_npz_table(path, features, target, feature_names)
    is_bytes = table.image_shape is not None and table.features.dtype == np.uint8
    return table, not is_bytes, 1 / 255 if is_bytes else 1.0


def _check_source(name: str, root: str | Path | None, path: str | Path | None) -> None:
    names = get_args(SetName)
    if name not in names:
        raise DataError(f"there is no data set {name!r}{did_you_mean(name, names)}")
    if path is not None and name not in ("csv", "npz"):
        raise DataError(f"data.path = {str(path)!r} is for csv and npz; {name} does not read it")
    if root is not None and name not in IMAGE_SETS:
        raise DataError(f"data.root = {str(root)!r} is for {' and '.join(IMAGE_SETS)}; {name} does not look there")


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

"""The record of a data set or file format: its reader, and the settings it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from xpmlp.data.dataset import Dataset
from xpmlp.data.labels import MISSING
from xpmlp.data.splits import Split
from xpmlp.data.table import Table, TargetKind
from xpmlp.data.table_options import TableOptions

if TYPE_CHECKING:
    from xpmlp.data.tables.loading import TableModel


class Request(NamedTuple):
    """A request to read data, from a config's ``[data]`` and loss; see `xpmlp.data.load`.

    Attributes
    ----------
    path : Path
        An existing file or pipe for a format with ``"path"`` among its keys; unused by the others.
    target : str or sequence of str
    features : str
    feature_names : tuple of str, or None
        The features to take, in this order; None for all.
    missing : sequence of str
    targets : "auto", "classes", "values" or "flags"
    split : "validation", "test" or "three-way"
    root : str, Path or None
    validation_size : int or None
    quiet : bool
    test_fraction : float
    seed : int
        ``test_fraction`` and ``seed`` are for formats that draw their own parts.
    table : TableOptions
        Options for a table's columns.
    table_model : TableModel, optional
        The table model of the network for which a table is read.
    """

    path: Path = Path()
    target: str | Sequence[str] = "target"
    features: str = "features"
    feature_names: tuple[str, ...] | None = None
    missing: Sequence[str] = MISSING
    targets: TargetKind = "auto"
    split: Split = "validation"
    root: str | Path | None = None
    validation_size: int | None = None
    quiet: bool = True
    test_fraction: float = 0.2
    seed: int = 0
    table: TableOptions = TableOptions()
    table_model: TableModel | None = None


class Format(NamedTuple):
    """A data set, or a format of files.

    Attributes
    ----------
    sentence : str
        A description, for the documentation and ``xpmlp data list``.
    read : (request) -> Table or Dataset
        Read all examples, to be split by ``data.seed``; or a data set with its own parts.  Raises
        `xpmlp.errors.DataError`.
    keys : tuple of str
        The keys of ``[data]`` that it uses, among ``path`` (then required), ``root``, ``target``, ``features``,
        ``missing``, ``standardize``, ``validation_size``, ``test_fraction``, ``seed``, and the further keys for tables.
    extensions : tuple of str
        The extensions of its files, in lower case: ``(".csv",)``.
    read_features : (request) -> features (n, ...), optional
        Read features from a file without targets, for prediction, in the order of ``request.feature_names`` if given.
    has_test : bool
        Whether it has a test part.
    has_values : bool
        Whether its targets may be values, or flags in several columns, besides classes.
    where : str
        Where to find it.
    folders : bool
        Whether ``path`` may be a folder of files.
    """

    sentence: str
    read: Callable[[Request], Table | Dataset]
    keys: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    read_features: Callable[[Request], NDArray[Any]] | None = None
    has_test: bool = True
    has_values: bool = False
    where: str = ""
    folders: bool = False


DRAWN_PARTS = ("validation_size", "test_fraction", "seed")
"""The keys that control how a `Table` is split into parts."""

"""A data set or a kind of file that can be read: a record that says how, and what it needs to be told."""

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
    """A request to read data, as a config's ``[data]`` and the loss say; see `xpmlp.data.load`.

    Attributes
    ----------
    path : Path
        Of a format with ``"path"`` among its keys a file or a pipe that exists; of others without meaning.
    target : str or sequence of str
    features : str
    feature_names : tuple of str, or None
        The features to take, in this order; all if there are none.
    missing : sequence of str
    targets : "auto", "classes", "values" or "flags"
    split : "validation", "test" or "three-way"
    root : str, Path or None
    validation_size : int or None
    quiet : bool
    test_fraction : float
    seed : int
        With them a format draws the parts that it makes by itself.
    table : TableOptions
        What is said of a table's columns.
    table_model : TableModel, optional
        That of the network which a table is read for.
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
        What it is, for the documentation and ``xpmlp data list``.
    read : (request) -> Table or Dataset
        All examples, of which the parts are drawn by ``data.seed``; or a data set that has parts of its own.  Raises
        `xpmlp.errors.DataError`.
    keys : tuple of str
        The keys of ``[data]`` that it has a use for, of ``path`` (which it needs, then), ``root``, ``target``,
        ``features``, ``missing``, ``standardize``, ``validation_size``, ``test_fraction``, ``seed``, and those that say
        more about a table.
    extensions : tuple of str
        How its files' names end, in small letters: ``(".csv",)``.
    read_features : (request) -> features (n, ...), optional
        From a file without targets, for prediction: columns in the order of ``request.feature_names`` where there are
        any.
    has_test : bool
        Whether there is a test part.
    has_values : bool
        Whether its targets may be values, or flags in several columns, and not classes alone.
    where : str
        Where it is to be found.
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
"""The keys by which the parts of a `Table` are drawn."""

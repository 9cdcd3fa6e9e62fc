"""Table columns in ONNX operators: from raw cells to the numbers and codes that a network takes.

Each column is an input (N, 1): categories, truth values and texts as strings, the empty one for a missing value;
numbers, dates (seconds since 1970) and times of day (hours) in float64, NaN for a missing value.  See
`xpmlp.data.tables.encoding`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from xpmlp.data.labels import unambiguous
from xpmlp.data.messages import listed
from xpmlp.data.tables import TableEncoding
from xpmlp.data.tables.cells import FALSE, TRUE, gap_texts
from xpmlp.data.tables.features import CLIP, FIRST, MISSING_CODE, UNSEEN, EncodedColumn, Feature
from xpmlp.data.tables.pairs import PairStatistic, Side
from xpmlp.data.tables.raw import meaning_of
from xpmlp.export.graph import Graph, f64, shape
from xpmlp.export.onnx_dates import clock, date
from xpmlp.export.onnx_layers import Batch
from xpmlp.export.onnx_numbers import finite, places_of
from xpmlp.export.onnx_texts import text
from xpmlp.export.tree import NotExportableError


class _Told(NamedTuple):
    """A column in the graph.

    Attributes
    ----------
    numbers : list of str
        Tensors (N, k) of raw numbers in float64, together one column for each of its features.  Unless the column has
        codes, the first is NaN for a missing value.
    gap : str
        (N, 1), whether the value is missing.
    source : str
        (N, 1), its codes, or the number used to look up statistics.
    has_codes : bool
    """

    numbers: list[str]
    gap: str
    source: str
    has_codes: bool = False


def encoded_columns(graph: Graph, encoding: TableEncoding) -> Batch:
    """Add inputs for a table's columns, and the operators that encode them.

    Raises
    ------
    NotExportableError
        If words of a text column are hashed, the table has no usable column, or a time zone is not known here.
    """
    hashed = [one.column.name for one in encoding.columns if any(f.part == "hashed" for f in one.features)]
    if hashed:
        raise NotExportableError(
            f"words of {listed(hashed)} are hashed, which ONNX has no operator for: train without such columns, with "
            f"--drop {shlex.quote(','.join(hashed))}"
        )
    if not encoding.columns:
        raise NotExportableError("no column of its table is of use to it, so that a model would have no input")
    told, numbers = {}, list[str]()
    for one in encoding.columns:
        told[one.column.name] = column = _column(graph, one, encoding.table_schema.missing)
        numbers += column.numbers
    for indicator in encoding.indicators:
        gaps = [told[name].gap for name in indicator.columns]
        while len(gaps) > 1:
            gaps[:2] = [graph("Or", *gaps[:2])]
        numbers.append(graph.cast(gaps[0], np.float64))
    for pair in encoding.pairs:
        sides = (pair.statistic.first, pair.statistic.second)
        numbers.append(_pair(graph, pair.statistic, *(_side(graph, told[side.column], side) for side in sides)))
    codes = [told[one.column.name].source for one in encoding.columns if one.has_codes]
    together = graph("Concat", *codes, axis=1) if codes else None
    features = [feature for _, feature in encoding.named_features()]
    if not features:
        return Batch(graph.cast(graph("Mul", codes[0], shape(0)), np.float32), together)
    return Batch(_scaled(graph, graph("Concat", *numbers, axis=1), features), together)


def _scaled(graph: Graph, raw: str, features: Sequence[Feature]) -> str:
    """Scale all numbers as `Feature.apply` does, to (N, features) in float32."""
    center, scale = f64([one.center for one in features]), f64([one.scale for one in features])
    z = graph("Mul", graph("Sub", raw, center), scale)
    z = graph("Where", graph("IsNaN", z), f64(0.0), z)
    z = graph("Clip", z, f64(-1e8), f64(1e8))
    part = graph("Mul", z, f64([one.bent / CLIP for one in features]))
    root = graph("Sqrt", graph("Add", graph("Mul", part, part), f64(1.0)))
    return graph.cast(graph("Div", z, root), np.float32)


def _column(graph: Graph, one: EncodedColumn, missing: tuple[str, ...]) -> _Told:
    """Add a column's input; return its raw numbers, with those of its statistic, and its codes if it has any."""
    name, kind = one.column.name or graph.free("column"), one.column.kind
    if one.has_codes:
        codes = graph.encoded(
            graph.input(name, object, 1, "a category, or an empty string"), _codes(one, missing), UNSEEN
        )
        numbers = [] if one.statistic is None else [graph.rows(one.statistic.means, codes)]
        return _Told(numbers, graph("Equal", codes, shape(MISSING_CODE)), codes, has_codes=True)
    numbers = READERS[kind](graph, name, one, missing)
    source = graph("Floor", numbers[0]) if kind == "date" else numbers[0]
    if one.statistic is not None and kind != "text":
        numbers.append(graph.rows(one.statistic.means, places_of(graph, source, one.statistic.edges)))
    return _Told(numbers, graph("IsNaN", numbers[0]), source)


def _number(graph: Graph, name: str, one: EncodedColumn, missing: tuple[str, ...]) -> list[str]:
    if one.column.kind == "category":
        cell = graph.input(name, object, 1, f"a category of {' < '.join(one.column.order)}, or an empty string")
        ranks = {spelled: float(place) for spelled, place in spellings(one.column.order).items()}
        return [graph.cast(graph.encoded(cell, ranks, float("nan")), np.float64)]
    return [finite(graph, graph.input(name, np.float64, 1, "a number, or NaN"))]


def _truth(graph: Graph, name: str, one: EncodedColumn, missing: tuple[str, ...]) -> list[str]:
    cell = graph.input(name, object, 1, "yes or no, true or false, 1 or 0, or an empty string")
    words = {word: sign for words, sign in ((TRUE, 1.0), (FALSE, -1.0)) for word in words}
    forms = {form: sign for word, sign in words.items() for form in (word, word.title(), word.upper())}
    return [graph.cast(graph.encoded(cell, forms, float("nan")), np.float64)]


READERS: dict[str, Callable[[Graph, str, EncodedColumn, tuple[str, ...]], list[str]]] = {
    "number": _number,
    "category": _number,
    "truth": _truth,
    "clock": clock,
    "date": date,
    "text": text,
}
"""Functions by kind of column without codes: each adds the input and returns tensors of raw numbers in float64.

There is one (N, 1) for each own feature; for texts also one (N, width) for the statistic.
"""


def spellings(levels: Sequence[str]) -> dict[str, int]:
    """Return the index of each category by all its spellings: 7.0 is 7 and True is true, unless both are categories."""
    places = {level: place for place, level in enumerate(levels)}
    for meaning, place in unambiguous(levels, meaning_of).items():
        for form in _forms(meaning):
            places.setdefault(form, place)
    return places


def _forms(meaning: float | str) -> Iterator[str]:
    if isinstance(meaning, str):
        yield from (meaning, meaning.title(), meaning.upper())
        return
    yield repr(meaning)
    if meaning.is_integer() and abs(meaning) < 2**53:
        yield str(int(meaning))


def _codes(one: EncodedColumn, missing: tuple[str, ...]) -> dict[str, int]:
    """Return the codes of all spellings of the categories, and of missing values."""
    known = (*one.levels, *one.rare)
    codes = {text: FIRST + min(place, len(one.levels)) for text, place in spellings(known).items()}
    gaps = gap_texts(missing) - ({"-"} if "+" in known else set())
    return {**dict.fromkeys(sorted(gaps), MISSING_CODE), **codes}


def _side(graph: Graph, told: _Told, side: Side) -> str:
    """Return the indices (N, 1) of one column of a pair."""
    return told.source if told.has_codes else places_of(graph, told.source, side.edges)


def _pair(graph: Graph, statistic: PairStatistic, first: str, second: str) -> str:
    """Add the statistic of a pair of columns, at indices (N, 1) of both."""
    key = graph("Add", graph("Mul", first, shape(len(statistic.second.means))), second)
    cells = {cell: place for place, cell in enumerate(statistic.cells)}
    nothing = [0.0] * len(statistic.means[0])
    added = graph.rows([*statistic.means, nothing], graph.encoded(key, cells, len(cells)))
    alone = graph("Add", graph.rows(statistic.first.means, first), graph.rows(statistic.second.means, second))
    return graph("Add", alone, added)

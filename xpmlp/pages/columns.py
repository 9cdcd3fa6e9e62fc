"""Section on the columns that a table's network relies on, the score by category, and the worst rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xpmlp._text import counted
from xpmlp.data.tables.features import FIRST, EncodedColumn
from xpmlp.pages.charts import Series, chart
from xpmlp.pages.markup import Markup, element, figure, paragraph, section, table
from xpmlp.pages.material import FEWEST, Floats, Material, Rows, example_scores, seen
from xpmlp.pages.measures import values_of
from xpmlp.pages.quality import chosen

MOST_COLUMNS, MOST_ROWS, REPEATS = 30, 2_000, 5
"""Limits for the importance: columns and rows; and the number of shuffles of each column."""

FEWEST_ROWS, MOST_WORK = 200, 4e10
"""Number of rows used for the importance in any case, if available, and maximum number of multiplications for more."""

DEPENDENCES, STEPS, OVER = 4, 15, 300
"""Limits for the partial dependence: columns, values of a column, and rows to average over."""


class Place(NamedTuple):
    """Place of a column of the table in the encoded arrays.

    Attributes
    ----------
    one : EncodedColumn
    numbers : slice
        Its columns in the array of numbers.
    code : int or None
        Its column in the array of codes, if it has codes.
    """

    one: EncodedColumn
    numbers: slice
    code: int | None


class Importance(NamedTuple):
    """Decrease of the score when a column is shuffled: mean and standard deviation over the repeats."""

    name: str
    mean: float
    spread: float


def places(material: Material) -> list[Place]:
    """Find the columns of the table in the encoded arrays."""
    assert material.table is not None
    found, number, code = [], 0, 0
    for one in material.table.encoding.columns:
        found.append(Place(one, slice(number, number + len(one.features)), code if one.has_codes else None))
        number, code = number + len(one.features), code + one.has_codes
    return found


def relies_on(material: Material, rows: Rows) -> Markup:
    """Show the importance of columns, partial dependences, the score by category and, on request, the worst rows."""
    every = places(material)
    ranked, some = importances(material, rows, every[:MOST_COLUMNS]), _rows_to_shuffle(material, rows, every)
    listed = [(one.name, f"{one.mean:z.4f}", f"{one.spread:.4f}") for one in ranked]
    rest = [place.one.column.name for place in every[MOST_COLUMNS:]]
    unlooked = f" Not looked at: {', '.join(rest)}." if rest else ""
    told = paragraph(
        f"Importance: by how much the score falls where a column's values are shuffled, over {REPEATS} shuffles of "
        f"{counted(some, 'row')}, with the deviation of these.{unlooked}"
    )
    names = [one.name for one in ranked]
    first = sorted(every[:MOST_COLUMNS], key=lambda place: names.index(place.one.column.name))
    drawn = islice((made for place in first for made in _dependence(material, rows, place)), DEPENDENCES)
    return section(
        "relies",
        "On what it relies",
        told,
        table("Importance of columns", ("column", "fall of the score", "deviation"), listed),
        element("div", *drawn, class_="figures"),
        *_by_category(material, rows, every),
        _worst(material, rows, every) if material.shown else "",
    )


def _rows_to_shuffle(material: Material, rows: Rows, every: list[Place]) -> int:
    once = min(len(every), MOST_COLUMNS) * REPEATS * material.saved.network.n_parameters
    return min(len(rows.part), MOST_ROWS, max(FEWEST_ROWS, int(MOST_WORK / once)))


def importances(material: Material, rows: Rows, every: list[Place]) -> list[Importance]:
    """Compute the importance of each column by shuffling it; the most important come first."""
    generator = np.random.default_rng(0)
    some = np.sort(generator.permutation(len(rows.part))[: _rows_to_shuffle(material, rows, every)])
    part, loss = rows.part[some], material.saved.network.loss
    numbers, codes = np.asarray(part.features), part.codes
    weights = rows.weights[some]
    before = float(np.average(example_scores(loss, material.predict(numbers, codes), part), weights=weights))
    found = []
    for place in every:
        shuffled = np.concatenate([generator.permutation(len(part)) for _ in range(REPEATS)])
        changed, coded = np.tile(numbers, (REPEATS, 1)), None if codes is None else np.tile(codes, (REPEATS, 1))
        own = _numbers_of(material, place)
        changed[:, own] = numbers[shuffled][:, own]
        if place.code is not None and coded is not None and codes is not None:
            coded[:, place.code] = codes[shuffled, place.code]
        outputs = np.split(material.predict(changed, coded), REPEATS)
        scores = [example_scores(loss, one, part) for one in outputs]
        falls = [before - float(np.average(one, weights=weights)) for one in scores]
        found.append(Importance(place.one.column.name, float(np.mean(falls)), float(np.std(falls))))
    return sorted(found, key=lambda one: -one.mean)


def _numbers_of(material: Material, place: Place) -> list[int]:
    """Return the indices of a column's numbers, including an indicator of missing values if it has its own."""
    own = [number for number, columns in _indicators(material) if columns == (place.one.column.name,)]
    return [*range(place.numbers.start, place.numbers.stop), *own]


def _indicators(material: Material) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the index of each indicator of missing values among the numbers, and its columns."""
    assert material.table is not None
    encoding = material.table.encoding
    first = sum(len(one.features) for one in encoding.columns)
    yield from enumerate((one.columns for one in encoding.indicators), first)


def _dependence(material: Material, rows: Rows, place: Place) -> Iterator[Markup]:
    """Draw the mean prediction by the value of a numeric column, with all others unchanged."""
    if place.one.column.kind != "number":
        return
    feature, statistic = place.one.features[0], place.one.statistic
    some = np.sort(np.random.default_rng(1).permutation(len(rows.part))[:OVER])
    part = rows.part[some]
    numbers = np.asarray(part.features)
    own = np.asarray(rows.part.features)[:, place.numbers.start].astype(np.float64)
    steps = np.unique(np.quantile(own, np.linspace(0.05, 0.95, STEPS)))
    if len(steps) < 3:
        return
    raw = undone(feature.center, feature.scale, feature.bent, steps)
    told = [raw] if statistic is None else [raw, *statistic.of_numbers(raw).T]
    changed = np.repeat(numbers[None], len(steps), axis=0)
    for number, (each, values) in enumerate(zip(place.one.features, told, strict=True)):
        changed[:, :, place.numbers.start + number] = each.apply(values)[:, None]
    codes = None if part.codes is None else np.tile(part.codes, (len(steps), 1))
    outputs = material.unscaled(material.predict(changed.reshape(-1, numbers.shape[1]), codes))
    means = outputs.reshape(len(steps), len(some), -1).mean(axis=1)
    name = place.one.column.name
    wanted = range(means.shape[1]) if means.shape[1] <= 3 else np.argsort(-means.std(axis=0))[:3]
    labels = material.classes if len(material.classes) == means.shape[1] else [""] * means.shape[1]
    title = "mean probability" if material.classes else "mean prediction"
    lines = [Series(labels[column], raw, means[:, column]) for column in wanted]
    drawn = chart(f"{title} by {name}", name, title, lines)
    yield figure(f"Partial dependence on {name}: between its 5% and 95% quantiles, all else as it is.", drawn)


def undone(center: float, scale: float, bent: bool, values: Floats) -> Floats:
    """Convert encoded numbers back to raw ones."""
    if not bent:
        return values
    straight = values / np.sqrt(np.maximum(1 - (values / 3) ** 2, 1e-9))
    return straight / scale + center if scale else np.full_like(values, center)


def _by_category(material: Material, rows: Rows, every: list[Place]) -> Iterator[Markup]:
    """Tabulate the score for each category of each column, to show groups with worse predictions."""
    codes, counts, listed = rows.part.codes, seen(material), []
    for place in every:
        if place.code is None or codes is None:
            continue
        for level, among in _groups(place.one, codes[:, place.code]):
            often = int(among.sum())
            known = counts.get(place.one.column.name, {}).get(level, 0)
            if often >= FEWEST and (known >= FEWEST or level == MISSING):
                score = float(np.average(rows.scores[among], weights=rows.weights[among]))
                listed.append((f"{place.one.column.name}: {level}", f"{often:,}", f"{score:.4f}"))
    if listed:
        caption = "The score by category, of those that ten examples or more have"
        yield table(caption, ("category", "examples", "score"), listed[:200])


MISSING = "missing"


def _groups(one: EncodedColumn, codes: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    yield MISSING, codes == FIRST - 1
    for number, level in enumerate(one.levels):
        yield level, codes == FIRST + number


def _worst(material: Material, rows: Rows, every: list[Place]) -> Markup:
    """Tabulate the rows with the largest loss, on request."""
    order = np.argsort(-rows.losses, kind="stable")[: material.shown]
    told = [place for place in every if place.code is not None or place.one.column.kind in ("number", "truth")][:8]
    wanted, said = _said(material, rows)
    listed = [
        (
            str(int(row) + 1),
            f"{rows.losses[row]:.4g}",
            wanted[row],
            said[row],
            *(_cell(material, place, rows, int(row)) for place in told),
        )
        for row in order
    ]
    head = (f"row of the {rows.split} part", "loss", "true", "predicted", *(place.one.column.name for place in told))
    return table("The rows with the largest loss", head, listed)


def _said(material: Material, rows: Rows) -> tuple[list[str], list[str]]:
    if material.classes:
        targets = np.asarray(rows.part.targets).astype(int).ravel()
        decided = chosen(material, rows)
        return [material.classes[one] for one in targets], [material.classes[one] for one in decided]
    predicted, wanted = values_of(material, rows)
    return [f"{one[0]:.5g}" for one in wanted], [f"{one[0]:.5g}" for one in predicted]


def _cell(material: Material, place: Place, rows: Rows, row: int) -> str:
    """Return a cell from the network's encoding: a category, or the decoded number; missing values are at its centre.

    Where columns share an indicator, it is 1 if any of them has no value.
    """
    if place.code is not None:
        assert rows.part.codes is not None
        code, names = int(rows.part.codes[row, place.code]), {0: "never seen", 1: MISSING}
        levels = place.one.levels
        return names.get(code) or (levels[code - FIRST] if code - FIRST < len(levels) else "a rare one")
    numbers = np.asarray(rows.part.features)[row].astype(np.float64)
    value, feature = numbers[place.numbers], place.one.features[0]
    if place.one.column.kind == "truth":
        return {1.0: "yes", -1.0: "no"}.get(float(value[0]), MISSING)
    if not value[0] and any(numbers[at] for at, names in _indicators(material) if place.one.column.name in names):
        return MISSING
    return f"{undone(feature.center, feature.scale, feature.bent, value)[0]:.5g}"

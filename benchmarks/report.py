"""Measurements as a page of tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.contestants import CONTESTANTS, FLOORS, GRIDS, REFERENCE
from benchmarks.measure import MOST_EPOCHS, Measurement, Row

Facts = dict[str, str]

COUNTERPARTS = {
    "jax-scan": "xpmlp-jax",
    "torch": "xpmlp-torch",
    "jax-scan-gpu": "xpmlp-jax-gpu",
    "torch-gpu": "xpmlp-torch-gpu",
}
"""Libraries, written as in their documentation, and xpmlp on the same library."""


def as_json(facts: Facts, settings: dict[str, Any], measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return everything that was measured, for JSON."""
    return {"machine": facts, "settings": settings, "measurements": [_measurement_json(one) for one in measurements]}


def page(facts: Facts, settings: dict[str, Any], measurements: Sequence[Measurement], picture: str | None) -> str:
    """Format the page, in Markdown."""
    return "\n".join(_lines(facts, settings, measurements, picture)) + "\n"


def tables(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Yield the table of each measurement under a heading."""
    for one in measurements:
        plural = "s" if one.threads > 1 else ""
        yield f"### {one.work.title}, {one.threads} thread{plural}"
        yield ""
        if one.work.kind == "accuracy":
            yield from _table(["", *(f"{target:.0%} after" for target in one.work.targets), "ratio"], _reached(one))
        else:
            rate = f"runs of {one.work.training_steps:,} steps a minute" if one.work.kind == "grid" else "examples/s"
            header = ["", "a step takes", "quartiles", rate, "ratio", "ratio to the floor", "losses differ by"]
            yield from _table(header, _paces(one))
        yield ""
        missing = [row for row in one.rows if row.problem is not None]
        for row in missing:
            yield f"- {row.entry.title}: {row.problem}"
        if missing:
            yield ""


def _lines(
    facts: Facts, settings: dict[str, Any], measurements: Sequence[Measurement], picture: str | None
) -> Iterator[str]:
    yield f"# Timings on {facts['processor']}, {facts['cores']} cores"
    yield ""
    yield f"Written by `python -m benchmarks.peers` on {settings['date']}; see [how it is done](../../README.md)."
    yield ""
    yield ", ".join(f"{name} {text}" for name, text in facts.items() if name != "processor") + "."
    yield f"{settings['rounds']} rounds of at least {settings['seconds']} s; medians, with quartiles."
    yield ""
    paces = [one for one in measurements if one.work.kind == "pace"]
    if paces:
        yield f"## Time for a step, as a multiple of {REFERENCE.title}'s"
        yield ""
        yield from _overview(paces)
        yield ""
        yield from _round_by_round(paces)
    if picture is not None:
        yield f"![Time for a step of each contestant, by work and number of threads]({picture})"
        yield ""
    yield "## In detail"
    yield ""
    yield f'"ratio" is to {REFERENCE.title} in the same table; "losses differ" from its losses by max|a - b| / max|b|.'
    yield ""
    yield from tables(measurements)


def _overview(paces: Sequence[Measurement]) -> Iterator[str]:
    floors = {entry.name: entry for entry in FLOORS.values()}
    names = [name for name in (*CONTESTANTS, *floors) if any(one.row(name) for one in paces)]
    titles = {name: entry.title for name, entry in (CONTESTANTS | floors).items()}
    rows = ([titles[name], *(_ratio(one, one.row(name)) for one in paces)] for name in names)
    yield from _table(_header(paces), rows)


def _round_by_round(paces: Sequence[Measurement]) -> Iterator[str]:
    pairs = [pair for pair in COUNTERPARTS.items() if any(one.times_by_round(*pair) is not None for one in paces)]
    if not pairs:
        return
    yield "## The same library without xpmlp, round by round"
    yield ""
    yield (
        "How many times as long it takes as xpmlp on it: the median of the ratios within each round, which differs "
        "from that of the medians where the machine was quick in some rounds and slow in others."
    )
    yield ""
    rows = []
    for name, ours in pairs:
        ratios = (one.times_by_round(name, ours) for one in paces)
        titles = f"{CONTESTANTS[name].title} / {CONTESTANTS[ours].title}"
        rows.append([titles, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)])
    yield from _table(_header(paces), rows)
    yield ""


def _header(paces: Sequence[Measurement]) -> list[str]:
    return ["", *(f"{one.work.name}, {one.threads} thread{'s' if one.threads > 1 else ''}" for one in paces)]


def _paces(one: Measurement) -> Iterator[list[str]]:
    for row in sorted((row for row in one.rows if row.rounds), key=lambda row: row.spread.median):
        spread = row.spread
        rate = (
            f"{60 / (spread.median * one.work.training_steps):.1f}"
            if one.work.kind == "grid"
            else f"{one.work.batch / spread.median:,.0f}"
        )
        difference = one.loss_difference(row)
        means = " (means)" if row.losses.size == 1 else ""
        to_floor = _to_floor(one, row)
        yield [
            _title(row),
            _time(spread.median),
            f"{_time(spread.low)} to {_time(spread.high)}",
            "" if row.entry in FLOORS.values() else rate,
            _ratio(one, row),
            "" if to_floor is None else f"{to_floor:.2f}",
            "" if difference is None or row.entry == REFERENCE else f"{difference:.0e}{means}",
        ]


def _reached(one: Measurement) -> Iterator[list[str]]:
    for row in sorted((row for row in one.rows if row.rounds), key=lambda row: row.spread.median):
        cells = []
        for target in one.work.targets:
            spread = row.seconds_to(target)
            cells.append(
                f"not in {MOST_EPOCHS} epochs"
                if spread is None
                else f"{spread.median:.2f} s ({row.epochs_to(target)} epochs)"
            )
        yield [_title(row), *cells, _ratio(one, row)]


def _to_floor(one: Measurement, row: Row) -> float | None:
    """Return the ratio of its time to the floor of its device."""
    return one.times(row, FLOORS[row.entry.device].name)


def _ratio(one: Measurement, row: Row | None) -> str:
    ratio = None if row is None else one.times(row, REFERENCE.name)
    return "" if ratio is None else f"{ratio:.2f}"


def _title(row: Row) -> str:
    return f"**{row.entry.title}**" if row.entry.is_ours else row.entry.title


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _table(header: Sequence[str], rows: Iterator[list[str]] | Any) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "|---" + "|---:" * (len(header) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _measurement_json(one: Measurement) -> dict[str, Any]:
    return {
        "work": one.work.name,
        "title": one.work.title,
        "kind": one.work.kind,
        "batch": one.work.batch,
        "steps": one.work.steps,
        "threads": one.threads,
        "contestants": [_row_json(one, row) for row in one.rows],
    }


def _row_json(one: Measurement, row: Row) -> dict[str, Any]:
    if not row.rounds:
        return {"name": row.entry.name, "problem": row.problem}
    return {
        "name": row.entry.name,
        "problem": row.problem,
        "unit": "seconds to the last target" if one.work.kind == "accuracy" else "seconds for a step",
        "rounds": row.rounds,
        **row.spread._asdict(),
        "ratio": one.times(row, REFERENCE.name),
        "ratio_to_floor": _to_floor(one, row),
        "loss_difference": one.loss_difference(row),
        "trainings": [[end._asdict() for end in ends] for ends in row.trainings],
        "start_up_included": row.entry in GRIDS,
    }

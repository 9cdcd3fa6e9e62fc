"""Messages about columns that tell the target, or that are the same as others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from xpmlp.data.labels import MISSING
from xpmlp.data.tables import infer_schema
from xpmlp.data.tables.describing import suggestions
from xpmlp.data.tables.targets import read_targets

TELLS, SAME = "alone tells the target", "says the same as"


def said(target: str | None = None, as_text: bool = False, **columns: Any) -> list[str]:
    frame = pl.DataFrame(columns)
    if as_text:
        frame = frame.cast(pl.String)
    targets = None if target is None else read_targets(frame, [target], "auto", MISSING, None, "x")
    names = () if target is None else (target,)
    return suggestions(frame, infer_schema(frame, target), targets, names)


def normal(n: int = 200, seed: int = 0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize("target", [normal(seed=1), normal(seed=1) > 0.5, np.repeat(["a", "b", "c", "d"], 50)])
@pytest.mark.parametrize("as_text", [False, True])
def test_random_columns_tell_no_target(target: npt.NDArray[Any], as_text: bool) -> None:
    random = np.random.default_rng(2)
    found = said(
        "y",
        as_text,
        a=random.normal(size=200),
        b=random.choice(["p", "q"], 200),
        c=random.integers(0, 150, 200),
        d=[f"{row}a" for row in random.integers(0, 20, 200)],
        y=target,
    )
    assert not any(TELLS in one for one in found), found


def test_shares_of_rare_values_are_neither_nothing_nor_all() -> None:
    rare = np.arange(3000) % 1000 == 7
    frame = pl.DataFrame({"a": normal(3000), "b": rare, "c": np.where(rare, "x", "y"), "y": rare})
    assert "'False' is 99.9% of the target: consider --class-weight balanced" in said("y", **frame.to_dict())
    assert [column.shown for column in infer_schema(frame[["b", "c"]]).columns] == ["true 0.1%", "y 99.9%, x 0.1%"]


@pytest.mark.parametrize("every", [80, 110, 300])
def test_nor_do_they_tell_a_rare_class(every: int) -> None:
    random, rare = np.random.default_rng(2), np.arange(2000) % every == 0
    found = said(
        "y",
        a=random.normal(size=2000),
        b=random.choice(["p", "q"], 2000),
        c=rare | (random.random(2000) < 0.01),
        y=rare,
    )
    assert not any(TELLS in one for one in found), found


def test_nor_does_any_of_many_columns_of_few_rows() -> None:
    random = np.random.default_rng(3)
    columns = {f"c{place}": random.normal(size=60) for place in range(150)}
    columns |= {f"d{place}": random.integers(0, 9, 60).astype(float) for place in range(50)}
    for target in (random.integers(0, 2, 60), np.append(random.normal(size=59), 1e6), np.arange(60) < 6):
        found = said("y", **columns, y=target)
        assert not any("tell" in one for one in found), found
    for n in (5, 12):
        few = {name: values[:n] for name, values in columns.items()}
        assert not any("tell" in one for one in said("y", **few, y=random.integers(0, 2, n)))


CLASSES = np.random.default_rng(4).integers(0, 3, 200)
RARE = np.arange(2000) % 250 == 0
LEAKS = {
    "a rare class": (np.where(RARE, 7, np.arange(2000) % 5), RARE),
    "a class itself": (CLASSES, CLASSES),
    "a class as text": (np.asarray(["u", "v", "w"])[CLASSES], CLASSES),
    "a class with gaps": ([None if one == 2 else one / 2 for one in CLASSES.tolist()], CLASSES),
    "a finer category": ([f"{one}-{row % 8}" for row, one in enumerate(CLASSES.tolist())], CLASSES),
    "finer numbers": (10 * CLASSES + np.arange(200) % 8, CLASSES),
    "numbers above a limit": (normal(1000), normal(1000) > 0.3),
    "truth": (CLASSES[:199] > 0, np.asarray(["n", "y"])[(CLASSES[:199] > 0).astype(int)]),
    "a value itself": (normal(), normal()),
    "few values": (normal(25), normal(25)),
    "a value in other units": (7 - 3 * normal().round(3), normal()),
    "a monotone function": (np.exp(3 * normal()), normal()),
    "a target with a long tail": (normal(), np.exp(5 * normal())),
    "a value rounded": (normal(1000).round(1), normal(1000)),
    "a code of a value": (
        np.asarray(list("abcd"))[np.arange(200) % 4],
        np.asarray([0.5, 9.0, 2.5, 4.0])[np.arange(200) % 4],
    ),
}


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("what", LEAKS)
def test_a_leak_is_told(what: str, as_text: bool) -> None:
    column, target = LEAKS[what]
    found = said("y", as_text, x=column, other=normal(len(column), seed=9), y=target)
    assert sum(TELLS in one for one in found) == 1
    assert found[-1].startswith("'x' alone tells the target (")


def test_many_leaks_are_told_together() -> None:
    found = said(
        "y", **{f"c{place}": normal() + place % 2 * 1e-3 * normal(seed=place) for place in range(9)}, y=normal()
    )
    assert sum(TELLS in one for one in found) == 5
    assert found[-1].startswith("4 more columns tell the target, each alone: 'c")


@pytest.mark.parametrize("as_text", [False, True])
def test_columns_without_repeated_values_are_no_twins(as_text: bool) -> None:
    texts = {name: [f"{name}{row * 7919 % 10007}" for row in range(15)] for name in "pq"}
    assert not any(SAME in one for one in said(None, as_text, **texts))
    rows = np.arange(60.0)
    with_gaps = [np.where(rows == 7, np.nan, normal(60, seed)) for seed in (1, 2)]
    columns = {"a": normal(60), "b": normal(60, 5), "c": with_gaps[0], "d": with_gaps[1], "e": rows**2, "f": rows**3}
    assert not any(SAME in one for one in said(None, as_text, **columns))


TWINS = {
    "other units": (normal().round(4), 1.8 * normal().round(4) + 32),
    "less exact": (normal(60), (2.54 * normal(60)).round(3)),
    "reversed": (normal(), 1 - normal()),
    "with gaps": (np.where(normal() > 1, np.nan, normal()), np.where(normal() > 1, np.nan, 100 * normal())),
    "a category and its code": (np.asarray(["a", "b", "c"])[CLASSES], np.asarray([7.5, 1.0, 3.0])[CLASSES]),
    "categories": (np.asarray(["a", "b", "c"])[CLASSES], np.asarray(["z", "x", "y"])[CLASSES]),
    "truth": (CLASSES > 0, np.asarray(["m", "k"])[(CLASSES > 0).astype(int)]),
}


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("what", TWINS)
def test_twins_are_told(what: str, as_text: bool) -> None:
    one, other = TWINS[what]
    found = said(None, as_text, one=one, other=other, more=normal(len(one), seed=8))
    assert [line for line in found if SAME in line] == ["'other' says the same as 'one': drop one of them"]


@pytest.mark.parametrize(("target", "value"), [([1.5] * 60, "1.5"), (["no"] * 60, "no")])
def test_a_target_of_one_value_is_told(target: list[Any], value: str) -> None:
    assert said("y", a=normal(60), y=target) == [f"the target 'y' has one value, '{value}': there is nothing to learn"]

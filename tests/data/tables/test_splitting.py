"""The split of rows into training and held-out parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xpmlp.data import load
from xpmlp.data.table_options import TableOptions
from xpmlp.data.tables.splitting import hold_out
from xpmlp.errors import DataError

ROWS = np.arange(1000)


def test_classes_keep_their_shares_and_rare_ones_are_trained_on() -> None:
    classes = np.repeat([0, 1, 2], [700, 297, 3])
    kept, held = hold_out(ROWS, 0.2, seed=0, classes=classes)
    assert np.bincount(classes[held]).tolist() == [140, 59]
    assert sorted([*kept, *held]) == ROWS.tolist()
    assert (hold_out(ROWS, 0.2, seed=0, classes=classes)[1] == held).all()
    assert (hold_out(ROWS, 0.2, seed=1, classes=classes)[1] != held).any()


def test_groups_stay_together() -> None:
    groups = np.random.default_rng(0).integers(0, 60, 1000)
    kept, held = hold_out(ROWS, 0.2, seed=0, groups=groups)
    assert not set(groups[kept]) & set(groups[held])
    assert 180 < len(held) < 240


def test_the_newest_are_held_out_and_times_stay_together() -> None:
    times = np.random.default_rng(0).integers(0, 50, 1000).astype(float)
    times[:10] = np.nan
    kept, held = hold_out(ROWS, 0.2, seed=0, times=times)
    assert np.nanmax(times[kept]) < times[held].min()
    groups = np.random.default_rng(1).integers(0, 300, 1000)
    kept, held = hold_out(ROWS, 0.2, seed=0, times=times, groups=groups)
    assert not set(groups[kept]) & set(groups[held])


def test_what_cannot_be_split() -> None:
    with pytest.raises(DataError, match="one group"):
        hold_out(ROWS, 0.2, seed=0, groups=np.zeros(1000, dtype=int))
    with pytest.raises(DataError, match="one time"):
        hold_out(ROWS, 0.2, seed=0, times=np.zeros(1000))


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        (ROWS[:1], None, "1 rows cannot be split .*: more are needed"),
        (ROWS[:2], np.arange(2), ": more are needed"),
        (ROWS[:60], np.arange(60), ": no class has 4; give --test 0, or --task values for a quantity"),
    ],
)
def test_why_it_cannot_be_split(rows: np.ndarray, classes: np.ndarray | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        hold_out(rows, 0.2, seed=0, classes=classes)


def test_weights_and_times_have_the_decimals_of_the_file(tmp_path: Path) -> None:
    numbers = ["1", "0.250", "0.500", "2.125"]
    rows = "".join(f"{numbers[n % 4]};{n * 7 % 40 // 10}.{n * 3 % 40:03};{n / 4};{'ab'[n % 2]}\n" for n in range(80))
    parts = []
    for text in (rows, rows.replace(".", ",")):
        (tmp_path / "d.csv").write_text("w;t;x;y\n" + text)
        options = TableOptions(weights="w", time="t")
        parts.append(load("table", path=tmp_path / "d.csv", target="y", split="test", table=options))
    first, again = (part.train.weights.tolist() for part in parts)
    assert again == first
    assert {*again} == {1.0, 0.25, 0.5, 2.125}
    assert parts[1].test.targets.tolist() == parts[0].test.targets.tolist()

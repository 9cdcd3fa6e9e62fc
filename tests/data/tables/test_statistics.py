"""Statistics of the targets by the values of a column."""

from __future__ import annotations

import copy
import json

import numpy as np
import polars as pl
import pytest

from xpmlp.data.tables import TableEncoding, fit_encoded, infer_schema
from xpmlp.data.tables.pairs import FEWEST_ROWS
from xpmlp.data.tables.statistics import (
    FOLDS,
    TrainingTargets,
    bin_edges,
    binned,
    of_category,
    of_number,
    of_text,
    shrunk_means,
    tree_means,
)
from xpmlp.errors import DataError

N = 600
RNG = np.random.default_rng(4)
TOWNS = RNG.integers(0, 30, N)
EFFECTS = RNG.normal(size=30)
VALUES = EFFECTS[TOWNS] + 0.5 * RNG.normal(size=N)
CLASSES = (VALUES > 0).astype(np.int64) + (VALUES > 1)


def test_means_drawn_to_the_mean_worked_by_hand() -> None:
    """Two places of two rows with the means 1 and 5: within them the variance is 2, between them 8 - 2 / 2 = 7."""
    means = shrunk_means(np.array([0, 0, 2, 2]), 3, np.array([[0.0], [2.0], [4.0], [6.0]]))
    kept = 2 / (2 + 2 / 7)
    np.testing.assert_allclose(means[:, 0], [3 - 2 * kept, 3, 3 + 2 * kept], rtol=1e-8)


def test_means_without_a_difference_are_that_of_all() -> None:
    means = shrunk_means(np.array([0, 0, 1, 1]), 2, np.array([[0.0], [2.0], [0.0], [2.0]]))
    assert means.tolist() == [[1.0], [1.0]]


def test_a_tree_finds_where_targets_change() -> None:
    places = np.arange(1, 101)
    targets = np.where(places[:, None] <= 40, 0.0, 1.0)
    means = tree_means(places, 101, targets)[1:, 0]
    assert len(np.unique(means[:40])) == 1
    assert means[0] < 0.15
    assert means[-1] > 0.9


def test_a_leaf_of_the_tree_has_ten_rows() -> None:
    for seed in range(100):
        random = np.random.default_rng(seed)
        targets = (random.random((240, 1)) < 0.05).astype(float)
        means = tree_means(np.arange(240) + 1, 241, targets)[1:, 0]
        ends = np.flatnonzero(np.diff(means)) + 1
        assert np.diff([0, *ends, 240]).min() >= 10


@pytest.mark.parametrize("targets", [CLASSES, VALUES[:, None]], ids=["classes", "values"])
@pytest.mark.parametrize("kind", ["category", "number", "text"])
def test_a_row_does_not_see_its_own_target(kind: str, targets: np.ndarray) -> None:
    def crossed(some: np.ndarray) -> np.ndarray:
        of = TrainingTargets(some)
        of.folds = folds
        if kind == "text":
            found = of_text(pl.Series([[f"t{town}"] for town in TOWNS]), of)
        else:
            codes = (TOWNS + 2).astype(np.int32)
            found = of_category(codes, 32, of) if kind == "category" else of_number(TOWNS.astype(float), of)
        assert found is not None
        return found.crossed

    folds = TrainingTargets(targets).folds
    changed = targets.copy()
    changed[7], changed[8] = targets[8], targets[7]  # so that the mean of all stays
    folds[8] = folds[7]
    before, after = crossed(targets), crossed(changed)
    same = folds == folds[7]
    np.testing.assert_allclose(after[same], before[same], atol=1e-9)
    assert not np.allclose(after[~same], before[~same], atol=1e-9)


def test_a_row_does_not_see_its_group() -> None:
    groups = np.arange(N) % 37
    folds = TrainingTargets(VALUES[:, None], groups).folds
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(37))


def test_noise_smooth_functions_and_few_levels_have_none() -> None:
    targets = TrainingTargets(RNG.normal(size=(N, 1)))
    assert of_category((TOWNS + 2).astype(np.int32), 32, targets) is None
    assert of_number(RNG.normal(size=N), targets) is None
    smooth = RNG.normal(size=2_000)
    cubic = smooth**3 - smooth + 0.1 * RNG.normal(size=2_000)
    assert of_number(smooth, TrainingTargets(cubic[:, None])) is None
    assert of_category((TOWNS % 4 + 2).astype(np.int32), 6, TrainingTargets(VALUES[:, None])) is None


def test_bins_are_of_distinct_values_or_of_equal_counts() -> None:
    edges = bin_edges(np.array([3.0, 1.0, np.nan, 1.0]))
    assert edges.tolist() == [2.0]
    assert binned(np.array([1.0, 2.0, 2.1, np.nan, 9.0]), edges).tolist() == [1, 1, 2, 0, 2]
    many = np.arange(20_000.0)
    assert np.ptp(np.bincount(binned(many, bin_edges(many)))[1:]) <= 2


def test_in_an_encoding_they_are_saved_and_repeated() -> None:
    frame = pl.DataFrame(
        {
            "town": [f"town {town}" for town in TOWNS],
            "size": TOWNS % 13 + RNG.normal(size=N).round(1),
            "note": [f"{'good' if value > 0 else 'bad'} thing {row * 7919}" for row, value in enumerate(VALUES)],
        }
    )
    encoding, encoded = fit_encoded(frame, infer_schema(frame), CLASSES)
    assert {name for name, feature in encoding.named_features() if feature.part == "target 1"} >= {"town", "note"}
    again = TableEncoding.from_json(encoding.to_json())
    one, other = encoding.encode(frame), again.encode(frame)
    np.testing.assert_array_equal(one.numbers, other.numbers)
    assert not np.array_equal(encoded.numbers, one.numbers)
    np.testing.assert_array_equal(encoded.codes, one.codes)
    unknown = encoding.encode({"town": ["elsewhere"], "size": [None], "note": [None]})
    assert np.isfinite(unknown.numbers).all()


def test_a_damaged_statistic_is_refused() -> None:
    frame, values = interacting()
    encoding, _ = fit_encoded(frame, infer_schema(frame), values[:, None])
    saved = json.loads(encoding.to_json())
    for part, side in (("first", "means"), ("second", "means"), (None, "cells")):
        broken = copy.deepcopy(saved)
        statistic = broken["pairs"][0]["statistic"]
        (statistic if part is None else statistic[part])[side].pop()
        with pytest.raises(DataError, match=r"do(es)? not fit"):
            TableEncoding.from_json(json.dumps(broken))


def test_few_rows_have_none() -> None:
    frame = {"town": [f"town {row % 11}" for row in range(4 * FOLDS)]}
    encoding, encoded = fit_encoded(frame, infer_schema(frame), np.arange(4 * FOLDS) % 2)
    assert encoding.number_names == ()
    assert encoded.codes.shape == (4 * FOLDS, 1)


def interacting(n: int = FEWEST_ROWS) -> tuple[pl.DataFrame, np.ndarray]:
    """Columns that tell something together alone, beside one that tells something by itself."""
    random = np.random.default_rng(6)
    first, second, third = random.integers(0, 4, n), random.integers(0, 5, n), random.integers(0, 3, n)
    effects = random.normal(size=(4, 5))
    effects -= effects.mean(axis=0)
    effects -= effects.mean(axis=1, keepdims=True)
    values = effects[first, second] + 0.1 * third + 0.1 * random.normal(size=n)
    frame = pl.DataFrame({"a": [f"a{one}" for one in first], "b": second, "c": [f"c{one}" for one in third]})
    return frame, values


@pytest.mark.parametrize("classes", [True, False])
def test_a_pair_that_tells_more_than_its_columns_is_found_saved_and_repeated(classes: bool) -> None:
    frame, values = interacting()
    targets = (values > 0).astype(np.int64) if classes else values[:, None]
    encoding, encoded = fit_encoded(frame, infer_schema(frame), targets)
    names = [pair.statistic.name for pair in encoding.pairs]
    assert names[0] in ("a and b", "b and a")
    place = encoding.number_names.index(f"{names[0]}: target 1")
    assert np.corrcoef(encoded.numbers[:, place], values)[0, 1] > 0.7
    again = TableEncoding.from_json(encoding.to_json())
    np.testing.assert_array_equal(again.encode(frame).numbers, encoding.encode(frame).numbers)
    alone = np.concatenate([encoding.encode(frame[row : row + 1]).numbers for row in range(5)])
    np.testing.assert_array_equal(alone, encoding.encode(frame).numbers[:5])
    unknown = encoding.encode({"a": ["elsewhere"], "b": [None], "c": ["c1"]})
    assert np.isfinite(unknown.numbers).all()


def test_columns_that_do_not_interact_have_no_pair() -> None:
    frame, _ = interacting()
    values = frame["b"].to_numpy() + RNG.normal(size=len(frame))
    encoding, _ = fit_encoded(frame, infer_schema(frame), values[:, None])
    assert encoding.pairs == ()
    few, values = interacting(FEWEST_ROWS - 1)
    assert fit_encoded(few, infer_schema(few), values[:, None])[0].pairs == ()

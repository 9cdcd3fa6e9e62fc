"""Labels as text: distinct texts are distinct classes, and texts for missing values are not classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpmlp.data import Dataset, load
from xpmlp.data.labels import MISSING, label_places
from xpmlp.errors import DataError

Write = Callable[[str], Path]


def table(labels: Sequence[str], rows: int = 60) -> str:
    return "x,y,kind\n" + "".join(f"{i},{i % 7},{label}\n" for i, label in enumerate(islice(cycle(labels), rows)))


def labels_in(dataset: Dataset) -> list[str]:
    """The labels of all examples, in the order of the file."""
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    rows = np.concatenate([part.features[:, 0] for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    return [str(label) for label in dataset.classes[targets[rows.argsort()]].tolist()]


@pytest.mark.parametrize(
    "labels",
    [
        ("007", "7", "07"),
        ("01", "02", "10"),
        ("1E5", "100000", "2E3"),
        ("12E4", "120000"),
        ("1.0", "2.0", "10.0"),
        ("1.0", "1"),
        ("1.00", "2.00"),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("+1", "1", "-1"),
        ("0x1F", "31"),
        ("TRUE", "true", "FALSE"),
        ("TRUE", "FALSE"),
        ("True", "False"),
        ("true", "false"),
        ("true", "1"),
        ("T", "F"),
        ("9223372036854775807", "9223372036854775806"),
        ("00012345678901234567", "00012345678901234568"),
        ("Na", "Cl"),
        ("1_000", "1000"),
        ("é", "e\u0301"),
        ("+", "-"),
        ("+", "-", "0"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("kind", ["auto", "classes"])
def test_each_text_is_a_class_and_comes_back_as_it_is(write_csv: Write, labels: Sequence[str], kind: str) -> None:
    dataset = load("csv", path=write_csv(table(labels)), target="kind", standardize=False, targets=kind)  # type: ignore[arg-type]
    assert dataset.n_classes == len(labels)
    assert labels_in(dataset) == list(islice(cycle(labels), 60))


@given(
    st.lists(st.from_regex(r"\A[+-]?0{0,2}[0-9]{1,3}(\.0{1,2})?([eE]0?[0-9])?\Z"), min_size=2, max_size=4, unique=True)
)
def test_distinct_spellings_are_never_one_class(tmp_path_factory: pytest.TempPathFactory, labels: list[str]) -> None:
    path = tmp_path_factory.mktemp("labels") / "mine.csv"
    path.write_text(table(labels))
    assert load("csv", path=path, target="kind").n_classes == len(labels)


@pytest.mark.parametrize(("labels", "kind"), [(("3", "-1"), "i"), (("1.0", "2.0"), "f"), (("True", "False"), "b")])
def test_numbers_and_truth_values_that_text_stands_for_are_such(
    write_csv: Write, labels: Sequence[str], kind: str
) -> None:
    assert load("csv", path=write_csv(table(labels)), target="kind").classes.dtype.kind == kind


def test_values_are_numbers_in_every_spelling(write_csv: Write) -> None:
    path = write_csv(table(("007", "7", "1E5", "+1.50", "TRUE", "false")[:4]))
    values = load("csv", path=path, target="kind", targets="values", standardize=False, test_fraction=0).train.targets
    assert set(values.ravel()) == {7.0, 1e5, 1.5}
    truths = load("csv", path=write_csv(table(("TRUE", "false"))), target="kind", targets="values")
    assert set(truths.train.targets.ravel()) == {0.0, 1.0}


MARKERS = [*MISSING, "nan", "n/a", "NULL", "na", " NA "]


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("others", [("cat", "dog"), ("1", "2"), ("0.5", "1.25")])
@pytest.mark.parametrize("kind", ["auto", "classes"])
def test_a_gap_is_no_class(write_csv: Write, marker: str, others: tuple[str, ...], kind: str) -> None:
    path = write_csv(table((*others, marker)))
    with pytest.raises(DataError, match=r"row 3.*data\.missing"):
        load("csv", path=path, target="kind", targets=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("marker", MARKERS)
def test_a_gap_is_no_value_and_no_feature(write_csv: Write, marker: str) -> None:
    with pytest.raises(DataError, match=r"row 3, column 'kind' .*data\.missing"):
        load("csv", path=write_csv(table(("1", "2", marker))), target="kind", targets="values")
    with pytest.raises(DataError, match=r"row 3, column 'kind' .*data\.missing"):
        load("csv", path=write_csv(table(("1", "2", marker))), target=["kind", "y"])
    with pytest.raises(DataError, match=r"row 3, column 'kind' .*data\.missing"):
        load("csv", path=write_csv(table(("1", "2", marker))), target="y")


@pytest.mark.parametrize("marker", MISSING)
@pytest.mark.parametrize("others", [("cat", "dog"), ("1", "2")])
def test_without_markers_they_are_classes(write_csv: Write, marker: str, others: tuple[str, ...]) -> None:
    dataset = load("csv", path=write_csv(table((*others, marker))), target="kind", missing=[], standardize=False)
    assert labels_in(dataset) == list(islice(cycle((*others, marker)), 60))


def test_other_markers(write_csv: Write) -> None:
    numbers = write_csv(table(("1", "2", "-999")))
    assert load("csv", path=numbers, target="kind").n_classes == 3
    for target in ("kind", "y"):
        with pytest.raises(DataError, match=r"row 3.*'-999', which data\.missing takes for a missing value"):
            load("csv", path=numbers, target=target, missing=["-999"])
    names = write_csv(table(("cat", "NA", "unknown")))
    with pytest.raises(DataError, match=r"the target of row 3 is missing: column 'kind' has 'unknown'"):
        load("csv", path=names, target="kind", missing=["unknown"])


def test_arrays_stay_as_they_are(tmp_path: Path) -> None:
    labels = np.asarray(["007", "7", "?", "NA"] * 10)
    np.savez(tmp_path / "mine.npz", features=np.arange(80).reshape(40, 2), target=labels)
    assert load("npz", path=tmp_path / "mine.npz").classes.tolist() == ["007", "7", "?", "NA"]


def test_bytes_that_are_no_text_stay_distinct(tmp_path: Path) -> None:
    labels = np.asarray([b"caf\xe9", b"caf\xe8"] * 20)
    np.savez(tmp_path / "mine.npz", features=np.arange(80).reshape(40, 2), target=labels)
    assert load("npz", path=tmp_path / "mine.npz").classes.tolist() == ["caf\\xe8", "caf\\xe9"]


@pytest.mark.parametrize(
    ("labels", "texts", "places"),
    [
        (["1", "01"], ["1", "01", "1.0"], [0, 1, None]),
        ([1, 2], ["1", "2.0", "+1", "3", "x"], [0, 1, 0, None, None]),
        ([False, True], ["TRUE", "false", "1"], [1, 0, None]),
        (["a", "A"], ["a", "A", "b"], [0, 1, None]),
        (["inf", "nan"], ["inf", "NaN"], [0, None]),
        ([], ["1"], [None]),
    ],
)
def test_texts_name_labels(labels: list[object], texts: list[str], places: list[int | None]) -> None:
    assert label_places(texts, np.asarray(labels)) == places

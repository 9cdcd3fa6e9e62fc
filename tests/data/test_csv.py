"""A user's CSV file: what is read from it, and the message about each mistake in it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpmlp.data import load, read_features
from xpmlp.errors import DataError

Write = Callable[[str], Path]
ROWS = "".join(f"{i},{i * i},{'cat' if i % 2 else 'dog'}\n" for i in range(40))
GOOD = "size,weight,kind\n" + ROWS


def test_columns_become_features_and_labels_classes(write_csv: Write) -> None:
    path = write_csv(GOOD)
    dataset = load("csv", path=path, target="kind", standardize=False)
    assert dataset.validation is not None
    assert dataset.test is not None
    assert dataset.classes.tolist() == ["cat", "dog"]
    assert dataset.feature_names == ("size", "weight")
    assert dataset.hashes == {"mine.csv": hashlib.sha256(GOOD.encode()).hexdigest()}
    assert [len(p) for p in (dataset.train, dataset.validation, dataset.test)] == [28, 4, 8]
    seen = set()
    for part in (dataset.train, dataset.validation, dataset.test):
        sizes, weights = part.features.T
        np.testing.assert_array_equal(weights, sizes**2)
        np.testing.assert_array_equal(part.targets, sizes % 2 == 0)
        seen |= set(sizes.tolist())
    assert seen == set(range(40))


def test_the_target_may_stand_anywhere(write_csv: Write) -> None:
    text = "kind,size\n" + "".join(f"{i % 3},{i}\n" for i in range(30))
    dataset = load("csv", path=write_csv(text), target="kind", standardize=False)
    assert dataset.feature_names == ("size",)
    np.testing.assert_array_equal(dataset.train.targets, dataset.train.features[:, 0] % 3)


def test_standardisation_is_fitted_on_the_training_part_only(write_csv: Write) -> None:
    path = write_csv(GOOD)
    raw = load("csv", path=path, target="kind", standardize=False)
    dataset = load("csv", path=path, target="kind")
    mean, std = raw.train.features.mean(axis=0), raw.train.features.std(axis=0)
    assert dataset.validation is not None
    assert raw.validation is not None
    np.testing.assert_allclose(dataset.train.features.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(dataset.train.features.std(axis=0), 1.0)
    np.testing.assert_allclose(dataset.validation.features, (raw.validation.features - mean) / std)
    np.testing.assert_array_equal(dataset.train.targets, raw.train.targets)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (("3", "-1"), [-1, 3]),
        (("2.0", "1.0"), [1, 2]),
        (("true", "false"), ["false", "true"]),
        (("True", "False"), [False, True]),
        ((" 1", "0"), [0, 1]),
        (("yes", "no, thanks"), ["no, thanks", "yes"]),
        (("é", "日本"), ["é", "日本"]),
        (("1", "a"), ["1", "a"]),
    ],
)
def test_labels_of_any_type(write_csv: Write, labels: tuple[str, str], classes: list[object]) -> None:
    text = "a,target\n" + "".join(f'{i},"{labels[i % 2]}"\n' for i in range(20))
    assert (
        load("csv", path=write_csv(text.replace('"', "") if "," not in labels[1] else text)).classes.tolist() == classes
    )


def test_truth_values_are_features_too(write_csv: Write) -> None:
    text = "round,target\n" + "".join(f"{i % 3 == 0},{i % 2}\n" for i in range(20))
    dataset = load("csv", path=write_csv(text), test_fraction=0.0, standardize=False)
    assert set(dataset.train.features.ravel()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD + "\n\n",
        GOOD.rstrip("\n"),
        GOOD.replace(",", ", "),
        GOOD.replace("size", '"size"'),
    ],
    ids=["crlf", "byte-order mark", "blank lines at the end", "no newline at the end", "spaces", "quotes"],
)
def test_usual_variations_mean_the_same(write_csv: Write, text: str) -> None:
    expected = load("csv", path=write_csv(GOOD), target="kind")
    got = load("csv", path=write_csv(text), target="kind")
    assert got.feature_names == expected.feature_names
    assert got.classes.tolist() == expected.classes.tolist()
    np.testing.assert_array_equal(got.train.features, expected.train.features)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("size,weight,kind\n", "a header but no rows"),
        (GOOD.replace("kind", "Kinds"), "no column 'kind' for the target; did you mean 'Kinds'"),
        (GOOD.replace("kind", "species"), "no column 'kind' .* there is 'size', 'weight', 'species'"),
        (GOOD.replace("weight", "size"), "names 'size' more than once"),
        (GOOD.replace("weight", "kind"), "names 'kind' more than once"),
        (GOOD.replace("size", ""), "column 1 has no name"),
        ("kind\n" + "a\nb\n" * 20, "no feature columns; fields are separated by commas"),
        (GOOD.replace(",", ";"), "separated by semicolons; save it with commas"),
        ("size;kind\n" + "1,5;cat\n2,5;dog\n" * 20, "separated by semicolons; save it with commas"),
        (GOOD.replace(",", "\t"), "separated by tabs; save it with commas"),
        ("1,1,cat\n" * 20, "names '1' more than once"),
        ("1,1,2\n" * 20, "its first line has numbers only; a header that names the columns is needed"),
        (GOOD + "1,2\n", "row 41 has no value in column 'kind'"),
        (GOOD + "1,2,cat,4\n", "a row has more fields than the header"),
        (GOOD + "1,,cat\n", "row 41 has no value in column 'weight'"),
        (GOOD + "1,2,\n", "row 41 has no value in column 'kind'"),
        ("size,weight,kind\n,,\n" + ROWS, "row 1 has no value in column 'size'"),
        (GOOD + "1,heavy,cat\n", "row 41, column 'weight' has 'heavy', which is not a number"),
        (GOOD + "NA,1,cat\n", "row 41, column 'size' has 'NA'"),
        (GOOD + "1,nan,cat\n", r"row 41, column 'weight' is missing \(NaN\)"),
        (GOOD + "inf,1,cat\n", "row 41, column 'size' is infinite"),
        (GOOD + "1e999,1,cat\n", "row 41, column 'size' is infinite"),
        (GOOD + "1,1,bird\n", r"class 'bird' has too few examples \(1\)"),
        (GOOD.replace("dog", "cat"), "all targets are 'cat'"),
        (GOOD.replace("dog", "nan").replace("cat", "1.0"), "target of row 1 is missing"),
        (GOOD.replace("dog", "9" * 30).replace("cat", "1"), "too large to be told apart"),
        (GOOD + '"1,2,cat\n', "not a well-formed CSV file"),
        ("\x00\x01\x02", "column 1 has control characters in its name"),
    ],
)
def test_each_mistake_gets_its_sentence(write_csv: Write, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        load("csv", path=write_csv(text), target="kind")
    assert "\n" not in str(caught.value)


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(GOOD.replace("size", "gr\u00f6\u00dfe").encode("latin-1"))
    with pytest.raises(DataError, match="invalid utf-8"):
        load("csv", path=path, target="kind")
    for missing in (tmp_path, tmp_path / "nowhere.csv", tmp_path / "*.csv"):
        with pytest.raises(DataError, match="no such file"):
            load("csv", path=missing, target="kind")
    with pytest.raises(DataError, match="there is a folder of this name: give a file in it"):
        load("csv", path=tmp_path, target="kind")
    with pytest.raises(DataError, match="/dev/null: is a device, and a file is needed"):
        load("csv", path="/dev/null", target="kind")


def test_a_file_is_read_once(write_csv: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = write_csv(GOOD), []
    open_path, read = Path.open, pl.read_csv

    def opening(self: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(self)
        return open_path(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", opening)
    monkeypatch.setattr("polars.read_csv", lambda source, **options: read(io.BytesIO(source), **options))
    load("csv", path=path, target="kind")
    assert opened == [path]


@pytest.mark.parametrize("text", [GOOD, "x^2" + GOOD])
def test_a_table_may_come_through_a_pipe(write_csv: Write, tmp_path: Path, text: str) -> None:
    pipe, file = tmp_path / "pipe", write_csv(text)
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        threads.submit(pipe.write_bytes, file.read_bytes())
        piped = load("csv", path=pipe, target="kind")
    read = load("csv", path=file, target="kind")
    np.testing.assert_array_equal(piped.train.features, read.train.features)
    assert (piped.feature_names, piped.classes.tolist()) == (read.feature_names, read.classes.tolist())
    assert piped.hashes == {"pipe": read.hashes["mine.csv"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is a pipe that holds nothing, or was read before"), (gzip.compress(GOOD.encode()), "is compressed")],
)
def test_a_pipe_that_is_no_table(tmp_path: Path, content: bytes, says: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as threads:
        threads.submit(pipe.write_bytes, content)
        with pytest.raises(DataError, match=says):
            load("csv", path=pipe, target="kind")


@pytest.mark.parametrize("name", ["npz", "csv"])
def test_other_formats_say_that_they_need_a_file(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    with pytest.raises(DataError, match="is a pipe, and a file is needed: save the data to a file"):
        load("npz", path=pipe) if name == "npz" else read_features(pipe, n_features=2)


def test_a_rare_class_is_counted_in_the_whole_file(write_csv: Write) -> None:
    with pytest.raises(DataError, match=r"class 'emu' has too few examples \(2\) to be in the training part, the"):
        load("csv", path=write_csv(GOOD + "1,1,emu\n2,2,emu\n"), target="kind")


@pytest.mark.parametrize("test_fraction", [0.0, 0.2])
def test_whole_numbers_that_cannot_be_classes_may_be_quantities(write_csv: Write, test_fraction: float) -> None:
    text = "a,price\n" + "".join(f"{i},{100_000 + i * i}\n" for i in range(40))
    with pytest.raises(DataError, match=r'if the targets are quantities, set model\.loss = "squared"'):
        load("csv", path=write_csv(text), target="price", test_fraction=test_fraction)


@given(
    st.lists(
        st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.sampled_from("ab")), min_size=30, max_size=40
    ).filter(lambda rows: min(sum(row[2] == label for row in rows) for label in "ab") >= 6)
)
def test_numbers_written_by_python_are_read_to_the_bit(rows: list[tuple[float, float, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("x", "y", "target"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        path.write_text(text.getvalue())
        dataset = load("csv", path=path, standardize=False)
    assert dataset.validation is not None
    assert dataset.test is not None
    got = [
        (*map(float, features), str(dataset.classes[target]))
        for part in (dataset.train, dataset.validation, dataset.test)
        for features, target in zip(part.features, part.targets, strict=True)
    ]
    assert sorted(got) == sorted(rows)


@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.sampled_from(list('",\n\r\0;.e-N \xff'))), max_size=4))
def test_no_damage_does_worse_than_a_data_error(changes: list[tuple[int, str]]) -> None:
    content = bytearray(GOOD.encode())
    for position, character in changes:
        content[position : position + 1] = character.encode("latin-1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        path.write_bytes(content)
        try:
            dataset = load("csv", path=path, target="kind")
        except DataError:
            return
    assert np.isfinite(dataset.train.features).all()
    assert len(dataset.classes) >= 2


@pytest.mark.parametrize(
    ("content", "as_table"),
    [
        (GOOD.replace(",", ";"), True),
        (GOOD.replace("7,49,", "7,many,"), True),
        (GOOD.replace("7,49,", "7,,"), True),
        (GOOD.replace("kind", "sort"), False),
        ("", False),
    ],
)
def test_a_refusal_says_if_it_can_be_read_as_a_table(write_csv: Write, content: str, as_table: bool) -> None:
    path = write_csv(content)
    with pytest.raises(DataError) as refused:
        load("csv", path=path, target="kind")
    assert ("leave out data.name" in str(refused.value)) == as_table
    if as_table:
        assert sorted(load("table", path=path, target="kind").classes) == ["cat", "dog"]


def test_what_is_no_table_either_is_refused_as_before(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"\x00\x01\x02" * 50)
    with pytest.raises(DataError) as refused:
        load("csv", path=tmp_path / "mine.csv", target="kind")
    assert "leave out data.name" not in str(refused.value)

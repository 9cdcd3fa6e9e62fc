"""Tables in ONNX: a model encodes raw columns of every kind to the same numbers and codes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from tests.exported import CASED, OTHERWISE_CASED, fitted, paired, showing
from tests.pages.conftest import TYPES, table
from xpmlp.data.tables import TableEncoding, Target
from xpmlp.errors import XpmlpError
from xpmlp.export.onnx_model import onnx_bytes
from xpmlp.storage import SavedNetwork

pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

Columns = Mapping[str, npt.NDArray[Any]]


def texts(values: list[Any]) -> npt.NDArray[Any]:
    return np.asarray([["" if value is None else str(value)] for value in values], dtype=object)


def numbers(values: list[Any]) -> npt.NDArray[np.float64]:
    return np.asarray([[np.nan if value is None else value] for value in values], dtype=np.float64)


def seconds(values: list[str | None]) -> npt.NDArray[np.float64]:
    moments = [None if value is None else dt.datetime.fromisoformat(value) for value in values]
    return numbers([one and (one.replace(tzinfo=one.tzinfo or dt.UTC)).timestamp() for one in moments])


def hours(values: list[str | None]) -> npt.NDArray[np.float64]:
    return numbers([value and int(value[:2]) + int(value[3:]) / 60 for value in values])


def computed(saved: SavedNetwork, columns: Columns) -> npt.NDArray[np.float64]:
    session = onnxruntime.InferenceSession(onnx_bytes(saved), providers=["CPUExecutionProvider"])
    found: npt.NDArray[np.float64] = session.run(None, dict(columns))[0]
    return found


def assert_encoded(encoding: TableEncoding, frame: pl.DataFrame, columns: Columns) -> None:
    found = computed(showing(encoding), columns)
    wanted = encoding.encode(frame)
    n = wanted.numbers.shape[1]
    if n:
        np.testing.assert_allclose(found[:, :n], wanted.numbers, rtol=1e-6, atol=1e-6)
    place = max(n, 1)
    for column, size in enumerate(encoding.code_counts):
        hot = [np.isin(wanted.codes[:, column], code) for code in range(1, size)]
        if size == 4:
            hot = [hot[0], hot[2].astype(int) - hot[1]]
        np.testing.assert_array_equal(found[:, place : place + len(hot)], np.stack(hot, axis=1))
        place += len(hot)
    assert found.shape[1] == place


NEW = {
    "size": ["0.75", None, "-250", "1e300", "inf", "0"],
    "town": ["Ulm", None, "Hamlet", "Atlantis", "NA", "?"],
    "grade": ["middle", None, "high", "highest", "low", "?"],
    "seen": ["2019-03-14 07:45:59", None, "1969-12-31 23:59:30", "2024-02-29 00:00:00", "2000-12-31 12:30:00",
             "1900-03-01 01:00:00"],
    "vaccinated": ["yes", None, "FALSE", "True", "0", "perhaps"],
    "at": ["13:20", None, "00:00", "23:59", "07:05", "24:00"],
    "breed": ["breed 1", None, "breed 12", "breed 3", "nobody's", "breed 0"],
}  # fmt: skip


def as_inputs(new: Mapping[str, list[Any]]) -> dict[str, npt.NDArray[Any]]:
    makers = {
        "size": lambda values: numbers([value and float(value) for value in values]),
        "seen": seconds,
        "at": hours,
    }
    return {name: makers.get(name, texts)(values) for name, values in new.items()}


@pytest.mark.parametrize("target", ["kind", "price"])
def test_every_kind_of_column_is_encoded_as_it_is_by_numpy(target: str) -> None:
    frame = table().drop("note", "id")
    targets = frame[target].to_numpy() if target == "price" else (frame[target] == "cat").to_numpy().astype(np.int64)
    features = frame.drop("kind", "price")
    encoding = fitted(features, targets.reshape(-1, 1) if target == "price" else targets, {"grade": TYPES["grade"]})
    kinds = {one.column.name: one.column.kind for one in encoding.columns}
    assert set(kinds.values()) == {"number", "category", "date", "truth", "clock"}
    assert len(encoding.indicators) > 1
    if target == "price":
        assert {one.column.kind for one in encoding.columns if one.statistic} >= {"number", "category"}
    assert_encoded(encoding, pl.DataFrame(NEW), as_inputs(NEW))
    rows = {name: features[name].to_list() for name in NEW}
    assert_encoded(encoding, features, as_inputs(rows))


def test_pairs_of_columns_have_their_statistic() -> None:
    encoding = paired()
    assert [pair.statistic.name for pair in encoding.pairs] == ["second and first"]
    new = {
        "first": [3.0, 2.5, None, 100.0, 8.0],
        "second": ["a", "f", "b", None, "z"],
        "third": [0.0, None, 1.0, -1.0, 9.0],
    }
    columns = {"first": numbers(new["first"]), "second": texts(new["second"]), "third": numbers(new["third"])}
    assert_encoded(encoding, pl.DataFrame(new), columns)


def test_numbers_are_placed_among_thousands_of_edges() -> None:
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.normal(size=5_000), np.repeat([0.5, 0.25], 500)])
    frame = pl.DataFrame({"value": value})
    y = (np.floor(7 * value) % 2).reshape(-1, 1)
    encoding = fitted(frame, y)
    (column,) = encoding.columns
    assert column.statistic is not None
    edges = np.asarray(column.statistic.edges)
    assert len(edges) > 500
    some = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), [-1e9, 1e9, np.nan]])
    assert_encoded(encoding, pl.DataFrame({"value": some}), {"value": some[:, None]})


def test_dates_are_told_by_the_clocks_of_their_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = dt.datetime(1993, 1, 1, tzinfo=dt.UTC)
    moments = [start + dt.timedelta(hours=1, minutes=37) * one for one in range(0, 300_000, 1_013)]
    moments += [dt.datetime(2021, 3, 28, 1, 0, tzinfo=dt.UTC) + dt.timedelta(minutes=one) for one in range(-2, 3)]
    frame = pl.DataFrame({"when": moments}).select(pl.col("when").dt.convert_time_zone("Europe/Berlin"))
    encoding = fitted(frame, np.arange(len(frame)) % 2)
    assert encoding.columns[0].column.zone == "Europe/Berlin"
    assert {feature.part for feature in encoding.columns[0].features} > {"hour sin", "weekday cos", "year", "days"}
    assert_encoded(encoding, frame, {"when": numbers([one.astimezone(berlin).timestamp() for one in moments])})


def test_dates_as_text_with_an_offset_are_told_in_utc() -> None:
    texts = [f"2022-{1 + one % 12:02d}-{1 + one % 28:02d}T{one % 24:02d}:15:00+0{one % 3}:00" for one in range(300)]
    frame = pl.DataFrame({"when": texts})
    encoding = fitted(frame, np.arange(len(frame)) % 2)
    assert {feature.part for feature in encoding.columns[0].features} > {"hour sin", "weekday cos", "days"}
    assert_encoded(encoding, frame, {"when": seconds(texts)})


def test_seconds_keep_what_float32_would_lose() -> None:
    frame = pl.DataFrame({"when": [dt.datetime(2021, 6, 1) + dt.timedelta(seconds=one) for one in range(60)]})
    encoding = fitted(frame, np.arange(60) % 2)
    columns = {"when": np.asarray([[1_622_505_600.0 + one] for one in range(60)])}
    assert_encoded(encoding, frame, columns)
    assert len(np.unique(computed(showing(encoding), columns)[:, 0])) == 60


def test_categories_are_found_by_all_their_spellings() -> None:
    frame = pl.DataFrame({"grade": ["1", "2", "3"] * 20, "sure": ["+", "-", "x"] * 20, "both": ["1", "1.0", "2"] * 20})
    encoding = fitted(frame, np.arange(60) % 2, {"grade": "category", "both": "category"})
    new = {"grade": ["1.0", "2", "3.00"], "sure": ["+", "-", ""], "both": ["1.0", "1", "2.0"]}
    new_texts = {name: texts(values) for name, values in new.items()}
    new_texts["grade"][2] = "3"
    assert_encoded(encoding, pl.DataFrame(new), new_texts)


PHRASES = ["red fox", "blue bird sings", "A quiet green frog.", "Zürich, der alte Fuchs", "red bird"]


def test_texts_of_few_words_are_told_by_regular_expressions() -> None:
    rows = [PHRASES[one % 5] + " red" * (one % 3 == 0) + " 7!" * (one % 7) for one in range(600)]
    targets = np.asarray([("red" in one) ^ ("fox" in one) for one in rows]).astype(np.int64)
    frame = pl.DataFrame({"note": rows})
    encoding = fitted(frame, targets, {"note": "text"})
    parts = [feature.part for feature in encoding.columns[0].features]
    assert "hashed" not in parts
    assert parts[:2] == ["length", "word"]
    assert encoding.columns[0].statistic is not None
    new = ["RED foxes", "ZÜRICH fox", None, "redfox", "x" * 511, "x" * 512, "é" * 2_047, "a\nfox\nfox", "N/A", "🦊 fox"]
    assert_encoded(encoding, pl.DataFrame({"note": new}), {"note": texts(new)})
    assert_encoded(encoding, frame, {"note": texts(rows)})


def test_letters_are_put_in_lower_case_as_python_puts_them() -> None:
    rows = [CASED[one % len(CASED)] for one in range(320)]
    encoding = fitted(pl.DataFrame({"note": rows}), np.arange(320) % 2, {"note": "text"})
    (column,) = encoding.columns
    assert {"i", "stanbul", "ſo", "οδοσ", "οδος", "τους", "σ", "k", "straße"} <= set(column.words)
    new = [*CASED, *OTHERWISE_CASED]
    assert_encoded(encoding, pl.DataFrame({"note": new}), {"note": texts(new)})


def test_hashed_texts_are_refused_by_name() -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefghij"), 5)) for _ in range(900)]
    frame = pl.DataFrame({"the note": [" ".join(words[3 * one : 3 * one + 9]) for one in range(290)]})
    encoding = fitted(frame, np.arange(290) % 2, {"the note": "text"})
    with pytest.raises(
        XpmlpError, match=r"words of 'the note' are hashed, .*: train without .*, with --drop 'the note'$"
    ):
        onnx_bytes(showing(encoding))


def test_values_have_the_units_of_the_data() -> None:
    frame = pl.DataFrame({"x": [1.0, 2.0, 4.0, 8.0]})
    target = Target(names=("y",), task="values", log=True, centers=(2.0,), scales=(0.5,))
    saved = showing(fitted(frame, np.arange(4) % 2), target)
    columns = {"x": numbers(frame["x"].to_list())}
    scaled = computed(showing(fitted(frame, np.arange(4) % 2)), columns)
    np.testing.assert_allclose(computed(saved, columns), np.exp(0.5 * scaled + 2), rtol=1e-6)


def test_columns_may_be_called_as_outputs_are() -> None:
    frame = pl.DataFrame({"prediction": [1.0, 2.0, 4.0, 8.0], '<script>"': ["a", "b", "a", "b"]})
    saved = showing(fitted(frame, np.arange(4) % 2))
    session = onnxruntime.InferenceSession(onnx_bytes(saved), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["prediction", '<script>"']
    assert [one.name for one in session.get_outputs()] == ["prediction_"]


def test_columns_may_be_called_as_inner_tensors_are_or_not_at_all() -> None:
    frame = pl.DataFrame(
        {"#0": [1.0, 2.0, 4.0, 8.0], "##c0": [3.0, 1.0, 2.0, 5.0], "": list("abab"), "column": range(4)}
    )
    encoding = fitted(frame, np.arange(4) % 2)
    named = frame.select(pl.all().name.map(lambda name: name or "column_"))
    assert named.columns == ["#0", "##c0", "column_", "column"]
    inputs = {name: (texts if name == "column_" else numbers)(named[name].to_list()) for name in named.columns}
    assert_encoded(encoding, frame, inputs)

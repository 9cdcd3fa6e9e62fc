"""Encoding of the columns of a table."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from xpmlp.data.tables import Encoded, TableEncoding, fit_encoded, fit_encoding, infer_schema
from xpmlp.errors import DataError

BENT = 1 / math.sqrt(1 + 1 / 9)


def fitted(frame: Any, **given: Any) -> TableEncoding:
    return fit_encoding(frame, infer_schema(frame, **given))


def table(n: int = 60) -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "age": [float(v) if v > 1 else None for v in random.integers(0, 90, n)],
            "sex": random.choice(["m", "f"], n),
            "town": random.choice(["Ulm", "Bonn", "Kiel"], n),
            "paid": random.choice([True, False], n),
            "when": [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(d)) for d in random.integers(0, 700, n)],
            "size": random.choice(["S", "M", "L"], n),
            "note": [f"{random.choice(['good', 'bad'])} thing {v}" for v in random.integers(0, 10**9, n)],
            "row": range(n),
            "same": ["x"] * n,
        }
    )


def equal(one: Encoded, other: Encoded) -> None:
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.codes, other.codes)


def test_each_number_has_a_name_of_its_own() -> None:
    frame = {"a": [1.0, None, 2.0] * 20, "a missing": [1.5, 2.5, None] * 20}
    encoding = fit_encoding(frame, infer_schema(frame))
    assert encoding.number_names == ("a", "a missing", "a missing?", "a missing missing")


def test_a_number_worked_by_hand() -> None:
    encoding = fitted({"x": [0.0, 1.0, 2.0, 3.0, 4.0, None]})  # median 2, quartiles 1 and 3
    numbers = encoding.encode({"x": [2.0, 4.0, 0.0, None, float("inf")]}).numbers
    assert encoding.number_names == ("x", "x missing")
    np.testing.assert_allclose(numbers[:, 0], [0, BENT, -BENT, 0, 0], rtol=1e-6)
    assert numbers[:, 1].tolist() == [0, 0, 0, 1, 1]


def test_a_number_is_scaled_before_it_is_stored() -> None:
    start = 1_700_000_000.0  # seconds since 1970, of which float32 has one in 128
    numbers = fitted({"t": [start + s for s in range(100)]}, types="t=number").encode({"t": [start + 49, start + 50]})
    assert numbers.numbers[1, 0] - numbers.numbers[0, 0] == pytest.approx(1 / 49.5, rel=1e-3)


def test_mostly_one_value_and_huge_ones() -> None:
    encoding = fitted({"x": [0.0] * 90 + [5.0] * 9 + [1e300]})
    numbers = encoding.encode({"x": [0.0, 5.0, 1e300, -1e308]}).numbers[:, 0]
    np.testing.assert_allclose(numbers, [0, BENT, 3, -3], rtol=1e-6)


def test_categories_rare_unseen_and_missing() -> None:
    encoding = fitted({"c": ["a"] * 30 + ["b"] * 20 + ["c", "d", None]})
    encoded = encoding.encode({"c": ["b", "a", None, "c", "d", "e", " a "]})
    assert encoding.code_counts == (5,)
    assert encoded.codes[:, 0].tolist() == [3, 2, 1, 4, 4, 0, 2]
    assert encoded.unseen == {"c": 1}


@pytest.mark.parametrize("new", [[7, 8], [7.0, 8.0], ["7", "8"], ["7.0", "8.00"], [7, None], ["07", "8"]])
def test_categories_of_another_type(new: list[Any]) -> None:
    encoding = fitted({"c": ["7", "8"] * 30}, types="c=category")
    expected = [2, 1] if new[-1] is None else [0, 3] if new[0] == "07" else [2, 3]
    assert encoding.encode({"c": new}).codes[:, 0].tolist() == expected


def test_an_ordered_category_is_its_rank() -> None:
    encoding = fitted({"size": ["S", "M", "L"] * 20}, types="size=S<M<L")
    encoded = encoding.encode({"size": ["S", "M", "L", None, "XL"]})
    half = 0.5 / math.sqrt(1 + 1 / 36)  # quartiles 0 and 2
    np.testing.assert_allclose(encoded.numbers[:, 0], [-half, 0, half, 0, 0], rtol=1e-6)
    assert encoded.unreadable == {"size": 1}
    alone = encoding.encode({"size": ["XL"]})
    assert (alone.numbers.tolist(), alone.unreadable) == ([[0.0]], {"size": 1})


def test_truths_and_clock_times() -> None:
    encoding = fitted({"t": [True, False] * 30, "c": ["06:00", "18:00"] * 30})
    encoded = encoding.encode({"t": ["yes", None], "c": ["06:00", "12:00"]})
    assert encoded.numbers[:, 0].tolist() == [1.0, 0.0]
    np.testing.assert_allclose(encoded.numbers[:, 2:], [[1, 0], [0, -1]], atol=1e-6)


def test_parts_of_a_date() -> None:
    days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=d) for d in range(100)]
    names = fitted({"d": days}).number_names
    assert names == tuple(
        f"d: {part}" for part in ["days", "month sin", "month cos", "day sin", "day cos", "weekday sin", "weekday cos"]
    )


def test_zones_of_dates() -> None:
    winter = pl.Series("d", [datetime.datetime(2020, 1, 1, hour % 24) for hour in range(72)])
    berlin = winter.dt.replace_time_zone("Europe/Berlin")
    encoding = fitted(berlin.to_frame())
    equal(encoding.encode(berlin.to_frame()), encoding.encode(berlin.dt.convert_time_zone("UTC").to_frame()))
    equal(encoding.encode(berlin.to_frame()), encoding.encode(winter.to_frame()))


def as_zoned_texts(instants: pl.Series) -> pl.Series:
    """Instants as local times of New York and, every second one, of Kolkata."""
    iso = "%Y-%m-%dT%H:%M:%S%:z"
    zones = [instants.dt.convert_time_zone(zone).dt.strftime(iso) for zone in ("America/New_York", "Asia/Kolkata")]
    return pl.Series("d", [zones[place % 2][place] for place in range(len(instants))])


@pytest.mark.parametrize(
    "as_trained", [as_zoned_texts, lambda instants: instants.dt.convert_time_zone("Europe/Berlin")]
)
def test_a_moment_is_the_same_in_every_zone_and_as_text(as_trained: Callable[[pl.Series], pl.Series]) -> None:
    hours = [datetime.datetime(2020, 3, 1) + datetime.timedelta(hours=11 * step) for step in range(300)]
    utc = pl.Series("d", hours).dt.replace_time_zone("UTC")
    trained = as_trained(utc).to_frame()
    encoding = fitted(trained)
    assert {"d: hour sin", "d: weekday sin"} < set(encoding.number_names)
    encoded = encoding.encode(trained)
    assert not encoded.unreadable
    equal(encoded, encoding.encode(utc.to_frame()))
    equal(encoded, encoding.encode(utc.dt.convert_time_zone("Europe/Berlin").to_frame()))
    equal(encoded, encoding.encode(as_zoned_texts(utc).to_frame()))
    moments = pd.Series(pd.to_datetime(hours, utc=True))
    equal(encoded, encoding.encode(pd.DataFrame({"d": moments.dt.tz_convert("Asia/Tokyo")})))
    offset = datetime.timezone(datetime.timedelta(hours=-3))
    equal(encoded, encoding.encode(pd.DataFrame({"d": moments.dt.tz_convert(offset)})))


def test_the_zone_of_dates_as_text_is_utc() -> None:
    texts = ["2022-05-01T02:15:00+02:00", "2022-05-02 03:15:00Z", "2022-05-03 04:15:00"]
    column = infer_schema({"d": texts})["d"]
    assert (column.zone, column.shown) == ("UTC", "2022-05-01 00:15 to 2022-05-03 04:15")
    assert column.why == "dates as text, %Y-%m-%d %H:%M:%S, in UTC"
    assert infer_schema({"d": texts}, types="d=date")["d"].zone == "UTC"
    assert infer_schema({"d": [*texts[2:], "2022-05-04"]})["d"].zone == ""


def test_text_has_its_length_words_and_the_rest_hashed() -> None:
    encoding = fitted(table().select("note"), types="note=text")
    assert set(encoding.number_names[:3]) == {"note: length", "note: bad", "note: good"}
    numbers = encoding.encode({"note": ["GOOD thing", "", "unheard"]}).numbers
    assert numbers[:, encoding.number_names.index("note: good")].tolist() == [1, 0, 0]
    assert numbers[:, encoding.number_names.index("note: bad")].tolist() == [0, 0, 0]


def test_gaps_that_come_together_have_one_indicator() -> None:
    gaps = [None if n % 5 == 0 else float(n % 7) for n in range(60)]
    encoding = fitted({"a": gaps, "b": gaps, "c": [None, *range(59)]})
    assert [one.columns for one in encoding.indicators] == [("a", "b"), ("c",)]


def test_a_gap_in_new_rows_alone_is_the_median() -> None:
    encoding = fitted({"x": [1.0, 2.0, 3.0]})
    assert encoding.encode({"x": [None]}).numbers.tolist() == [[0.0]]


def test_saved_and_read_again() -> None:
    frame = table()
    encoding = fitted(frame, types="size=S<M<L")
    again = TableEncoding.from_json(encoding.to_json())
    assert again == encoding
    equal(encoding.encode(frame), again.encode(frame))
    for damaged in ("", "{}", encoding.to_json()[:-2], encoding.to_json().replace("xpmlp table 1", "xpmlp table 2")):
        with pytest.raises(DataError, match="not an encoding"):
            TableEncoding.from_json(damaged)


def test_order_and_further_columns_do_not_matter() -> None:
    frame = table()
    encoding = fitted(frame)
    turned = frame.select(reversed(frame.columns)).with_columns(pl.lit(1).alias("more"))
    equal(encoding.encode(frame), encoding.encode(turned))


def test_a_column_that_is_missing() -> None:
    encoding = fitted(table())
    with pytest.raises(DataError, match="lacks 'age', which the model was trained on; did you mean 'Age'"):
        encoding.encode(table().rename({"age": "Age"}))
    encoded = encoding.encode(table().drop("age", "town"), allow_missing=True)
    assert (encoded.codes[:, encoding.code_names.index("town")] == 1).all()
    assert (encoded.numbers[:, encoding.number_names.index("age missing")] == 1).all()
    encoding.encode(table().drop("row", "same"))  # they were left out


def test_a_column_of_another_kind() -> None:
    encoding = fitted(table())
    wrong = table().with_columns(pl.Series("age", ["old"] * 59 + ["7"]))
    with pytest.raises(DataError, match="column 'age' is no number, as it was in training, but has values such as"):
        encoding.encode(wrong)
    assert encoding.encode(table().with_columns(pl.Series("age", ["old"] + ["7"] * 59))).unreadable == {"age": 1}


def test_any_library_s_frame_gives_the_same() -> None:
    frame = table()
    encoding = fitted(frame)
    expected = encoding.encode(frame)
    pandas = pd.DataFrame({name: frame[name].to_list() for name in frame.columns}, index=range(100, 160)[::-1])
    categories = pandas.astype({"sex": "category", "town": "category", "size": "string"})
    nullable = pandas.convert_dtypes()
    written = pl.read_csv(frame.write_csv().encode(), infer_schema=False)
    arrow = frame.to_arrow()
    dictionary = arrow.set_column(1, "sex", arrow["sex"].cast(pa.string()).dictionary_encode())
    for other in (pandas, categories, nullable, written, arrow, dictionary, frame.lazy(), frame.to_dict()):
        equal(expected, encoding.encode(other))
        assert fitted(other).code_counts == encoding.code_counts


def test_rows_do_not_depend_on_those_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from xpmlp.data.tables import encoding as module

    frame = table(500)
    encoding = fitted(frame)
    whole = encoding.encode(frame)
    monkeypatch.setattr(module, "BLOCK", 7)
    equal(whole, encoding.encode(frame))
    for row in (0, 13):
        one = encoding.encode(frame[row])
        np.testing.assert_array_equal(one.numbers[0], whole.numbers[row])
        np.testing.assert_array_equal(one.codes[0], whole.codes[row])


def test_columns_that_have_moved() -> None:
    frame = table(500)
    encoding = fitted(frame)
    assert encoding.moved(encoding.encode(frame).moments) == []
    older = frame.with_columns(pl.col("age") + 40)
    assert encoding.moved(encoding.encode(older).moments) == ["age"]
    assert encoding.moved(encoding.encode(older[:50]).moments) == []


def test_no_rows_of_a_leak_are_used() -> None:
    frame = table(500)
    encoding = fitted(frame[:400])
    poisoned = pl.concat(
        [frame[:400], frame[400:].with_columns(pl.lit(1e9).alias("age"), pl.lit("secret").alias("town"))]
    )
    assert fitted(poisoned[:400]) == encoding
    assert "secret" not in encoding.to_json()


def test_a_dash_is_a_category_beside_a_plus_in_training() -> None:
    encoding = fitted({"c": ["+", "-", "o"] * 20})
    assert (
        encoding.encode({"c": ["-"]}).codes.tolist() == encoding.encode({"c": ["-", "+"]}).codes[:1].tolist() != [[1]]
    )


@pytest.mark.parametrize("kind", [{"c": "category"}, {"c": "a<b"}, {"c": "-<b<+"}, {"c": "text"}])
def test_a_cell_is_read_alike_whatever_is_beside_it(kind: dict[str, str]) -> None:
    training = ["+", "-", "b"] if "+" in kind["c"] else ["a", "b", "b"]
    encoding = fitted({"c": training * 20, "n": list(range(60))}, types=kind)
    alone, beside = ({"c": cells, "n": [1] * len(cells)} for cells in (["-", "b"], ["-", "b", "+"]))
    for one, both in zip(encoding.encode(alone)[:2], encoding.encode(beside)[:2], strict=True):
        np.testing.assert_array_equal(one, both[:2])


def test_many_texts_are_cleaned_as_few_are() -> None:
    values = [" a", "a", "?", "", "b "] * 4_000
    encoding = fitted({"c": values})
    assert encoding.encode({"c": values}).codes[:5, 0].tolist() == [2, 2, 1, 1, 3]


def test_of_many_columns_those_that_tell_most_have_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    frame = pl.DataFrame({f"c{place}": random.normal(size=200) for place in range(40)})
    targets = (np.sin(4 * frame["c7"].to_numpy()) > 0).astype(int)
    monkeypatch.setattr("xpmlp.data.tables.fitting.MOST_TRIED", 3)
    encoding, _ = fit_encoded(frame, infer_schema(frame), targets)
    told = [one.column.name for one in encoding.columns if one.statistic]
    assert "c7" in told
    assert len(told) <= 3


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %I:%M %p", "%d/%m/%Y"])
def test_dates_may_have_other_times_than_in_training(form: str) -> None:
    days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=11 * step) for step in range(300)]
    encoding = fitted({"d": [day.strftime(form) for day in days]})
    told = ["03/04/2020", "03/04/2020 00:00", "03/04/2020 00:00:00", "03/04/2020 00:00:00.000", "03/04/2020 12:00 AM"]
    encoded = encoding.encode({"d": [*told, "2020-04-03", "04/13/2020 00:00"]})
    assert encoded.unreadable == {"d": 2}
    assert (encoded.numbers[: len(told)] == encoded.numbers[0]).all()
    equal(encoding.encode({"d": told[:1]}), encoding.encode({"d": [datetime.datetime(2020, 4, 3)]}))


@pytest.mark.parametrize(("form", "shown"), [("%d/%m/%y", "31/12/24"), ("%d.%m.%Y %H:%M", "31.12.2024 14:05")])
def test_dates_of_another_form_are_refused_with_that_of_training(form: str, shown: str) -> None:
    days = [datetime.datetime(2020, n % 12 + 1, n % 28 + 1, n % 24) for n in range(60)]
    encoding = fitted({"d": [day.strftime(form) for day in days], "n": list(range(60))})
    with pytest.raises(DataError, match=f"such as '2020-01-02': write its dates as in training, as '{shown}'$"):
        encoding.encode({"d": ["2020-01-02"], "n": [1]})


@pytest.mark.parametrize(
    ("trained", "new", "mark"),
    [(["1.25", "3"], ["1,25", "3,0"], ","), (["1,25", "3"], ["1.25", "3.0"], "."), (["$1,000.5"], ["$1.000,5"], ",")],
)
def test_another_decimal_mark(trained: list[str], new: list[str], mark: Literal[".", ","]) -> None:
    encoding = fitted({"a": [*trained, *[f"{n}{'.,'[mark == '.']}5" for n in range(60)]]})
    with pytest.raises(DataError, match=rf"such as '.*': for decimal \w+, predict with --set data.decimal={mark}$"):
        encoding.encode({"a": new})
    equal(encoding.with_decimal(mark).encode({"a": new}), encoding.encode({"a": trained}))


def test_infinities_are_unreadable_and_nan_is_missing() -> None:
    encoding = fitted({"a": [f"{n / 2}" for n in range(59)] + ["nan"]})
    words = ["inf", "1e400", "-inf", "nan", None, "1", "2", "3"]
    typed = [float("inf"), float("inf"), -float("inf"), float("nan"), None, 1.0, 2.0, 3.0]
    for cells in (words, typed):
        assert encoding.encode({"a": cells}).unreadable == {"a": 3}
    equal(encoding.encode({"a": words}), encoding.encode({"a": typed}))
    with pytest.raises(DataError, match="column 'a' is no number, as it was in training, but has values such as 'inf'"):
        encoding.encode({"a": ["inf", "1e400", "1"]})
    assert encoding.encode({"a": typed[:3]}).unreadable == {"a": 3}  # a column of numbers is of no other kind


@pytest.mark.parametrize("cells", [[np.nan], [None], ["NA"], [pd.NaT], pd.Categorical(["NA"]), pd.array([pd.NA])])
def test_a_date_may_be_missing_in_any_type(cells: Any) -> None:
    days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=7 * step) for step in range(60)]
    encoding = fitted({"d": days})
    encoded = encoding.encode(pd.DataFrame({"d": cells}))
    assert not encoded.unreadable
    equal(encoded, encoding.encode({"d": pl.Series([None], dtype=pl.Date)}))
    with pytest.raises(DataError, match=r"column 'd' is no date, .* such as '3.0'"):
        encoding.encode({"d": [3.0, np.nan]})


@pytest.mark.parametrize(
    "levels", [pd.to_datetime(["2020-01-01", "2021-05-01"]), pd.period_range("2020", periods=2), pd.Index([0.1, 1e20])]
)
def test_typed_categories_are_those_of_a_plain_column(levels: pd.Index) -> None:
    categories = pd.DataFrame({"c": pd.Categorical.from_codes([0, 1] * 30, levels)})
    equal(fitted(categories).encode(categories), fitted(categories).encode(categories.astype(levels.dtype)))


def test_lengths_of_time_are_texts_where_these_are_needed() -> None:
    times = pl.Series("c", [datetime.timedelta(hours=1), datetime.timedelta(seconds=1.5), None] * 20)
    encoding = fitted({"c": times}, types="c=category")
    assert encoding.columns[0].levels == ("PT1.5S", "PT1H")
    assert encoding.encode({"c": times[:3]}).codes[:, 0].tolist() == [3, 2, 1]
    frame = table().select("sex", "paid", "when", "note").with_columns(clock=pl.Series(["06:00", "18:00"] * 30))
    encoding = fitted(frame, types="note=text")
    assert encoding.encode(frame[:3].with_columns(times[:3].alias("sex"))).unseen == {"sex": 2}
    encoding.encode(frame[:3].with_columns(times[:3].alias("note")))
    for name, kind in {"paid": "truth", "when": "date", "clock": "clock"}.items():
        with pytest.raises(DataError, match=f"column '{name}' is no {kind}, as it was in training"):
            encoding.encode(frame[:3].with_columns(times[:3].alias(name)))


def test_texts_too_long_to_be_saved_are_unknown() -> None:
    long = "lorem ipsum " * 1000
    encoding = fitted({"c": [f"{long}{row % 3}" for row in range(60)] + ["a", "b"] * 10})
    assert encoding.columns[0].levels == ("a", "b")
    assert encoding.encode({"c": [f"{long}0", "a", None]}).codes[:, 0].tolist() == [0, 2, 1]
    column, word = "c" * 100, "acgt" * 2_480  # the name of a number has both
    texts = {column: [f"{word if row % 3 else ''} {'abc'[row % 3]} {'a' * 10_001} {row}" for row in range(120)]}
    schema = infer_schema(texts, types={column: "text"})
    encoding, _ = fit_encoded(texts, schema, np.arange(120) % 3)
    assert {*encoding.columns[0].words} <= {*"abc"}
    assert encoding.columns[0].statistic is not None
    assert TableEncoding.from_json(encoding.to_json()) == encoding

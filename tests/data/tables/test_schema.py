"""The kinds of columns, and the rules that infer them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from xpmlp.data.labels import MISSING
from xpmlp.data.tables import Schema, as_frame, infer_schema
from xpmlp.data.tables.describing import suggestions, total_row
from xpmlp.data.tables.inference import read_cells
from xpmlp.data.tables.targets import read_targets
from xpmlp.errors import DataError

DAYS = [f"2020-01-0{day % 9 + 1}" for day in range(60)]
SIXTY = {
    "numbers as text": (["1.5", "2", "-3e2"], "number"),
    "a decimal comma": (["1,5", "2", "3"], "number"),
    "decimal commas and points between thousands": (["1.234,5", "2,25"], "number"),
    "thousands with blanks": (["1 234", "2 500 000"], "number"),
    "sums of money": (["$1,200.50", "$3"], "number"),
    "shares": (["50%", "20.5%"], "number"),
    "typographical minus": (["−5", "3", "4"], "number"),
    "negative sums in brackets": (["(1,200.50)", "3.00", "(4.00)"], "number"),
    "numbers with a unit": ([f"{n / 2} km/h" for n in range(60)], "number"),
    "numbers with several units": ([f"{n / 2} {'kg' if n % 2 else 'g'}" for n in range(60)], "text"),
    "times of day by halves": ([f"{n % 12 + 1}:{n:02} {'a.m.' if n % 3 else 'PM'}" for n in range(60)], "clock"),
    "errors of spreadsheets": (["#N/A", "3", "#DIV/0!", "4"], "number"),
    "whole numbers that float64 does not keep apart": ([2**60 + n % 4 for n in range(60)], "category"),
    "the same as text": ([f"1582218195625938{n % 4:03}" for n in range(60)], "category"),
    "ISO days beside American ones": (
        [f"2020-01-{n % 28 + 1:02}" if n % 2 else f"{n % 12 + 1}/{n % 28 + 1}/1990" for n in range(60)],
        "date",
    ),
    "American days beside German ones": (
        [f"3/{n % 28 + 1}/1990" if n % 2 else "28/3/1990" for n in range(60)],
        "category",
    ),
    "marked gaps": (["N/A", "3", "4"], "number"),
    "years": ([2020, 2021, 2022], "number"),
    "a few infinities": ([1.0, float("inf"), 2.0], "number"),
    "infinite texts": ([*map(str, range(3, 43)), *["inf"] * 20], "text"),
    "lengths of time": ([datetime.timedelta(seconds=n) for n in (1, 2)], "number"),
    "digits with leading zeros": (["007", "7", "012"], "category"),
    "a range among whole numbers": (["0", "1", "2", "3+"], "category"),
    "the word None": (["None", "One", "None"], "category"),
    "one value and gaps": (["N", None], "category"),
    "values of several types": (["a", 1, 2.0, None], "category"),
    "bytes": ([b"x", b"y"], "category"),
    "flags": ([0, 1], "truth"),
    "truth values": ([True, None, False], "truth"),
    "words for yes and no": (["Yes", "no"], "truth"),
    "days": (DAYS, "date"),
    "days typed": ([datetime.date(2020, 1, day % 20 + 1) for day in range(60)], "date"),
    "moments with a zone": ([f"{day}T10:00:00.5+02:00" for day in DAYS], "date"),
    "American days with a time": ([f"{n % 12 + 1}/{n % 28 + 1}/1990 0:00:00" for n in range(60)], "date"),
    "German days": ([f"{n % 28 + 1}.{n % 12 + 1}.1990" for n in range(60)], "date"),
    "months by name": ([f"Jan {n % 9 + 1}, 2020" for n in range(60)], "date"),
    "times of day": ([f"12:{n:02}" for n in range(60)], "clock"),
    "a counter": (list(range(60)), "id"),
    "keys": ([f"17-{n * 7919 % 10007:05}" for n in range(60)], "id"),
    "names": ([f"{'Mr' if n % 2 else 'Mrs'} {chr(97 + n % 26)}{chr(97 + n // 26)}x" for n in range(60)], "text"),
    "keys and gaps": ([f"{n}-{n}" if n % 3 else None for n in range(90)], "text"),
    "one value": (["x"], "constant"),
    "no value": ([None], "constant"),
    "NaN alone": ([float("nan")], "constant"),
}


@pytest.mark.parametrize("what", SIXTY)
def test_kind(what: str) -> None:
    values, kind = SIXTY[what]
    schema = infer_schema({"x": (values * 60)[: max(60, len(values))]})
    assert schema["x"].kind == kind, schema["x"]


@pytest.mark.parametrize(
    ("cells", "kind", "shown"),
    [
        ([b"1,5", b"2,5", b"?"] * 20, "number", "1.5 to 2.5"),
        ([b"12:%02d" % n for n in range(60)], "clock", "12 to 12.9833"),
        ([Decimal(10**18 + n % 2) for n in range(60)], "category", f"{10**18} 50%, {10**18 + 1} 50%"),
    ],
)
def test_bytes_and_long_decimals(cells: list[Any], kind: str, shown: str) -> None:
    found = infer_schema(pl.DataFrame({"x": cells}))["x"]
    assert (found.kind, found.shown) == (kind, shown)


def test_infinities_are_unreadable() -> None:
    cells = [*(f"{n / 2}" for n in range(98)), "inf", "-1e999"]
    for given, note in (
        (cells, "'-1e999', 'inf', no numbers, are read as missing (2)"),
        (list(map(float, cells)), "2 unreadable values are read as missing"),
    ):
        column = infer_schema({"x": given})["x"]
        assert (column.kind, column.missing, column.shown, column.note) == ("number", 2, "0 to 48.5", note)


def test_an_odd_value_among_numbers_is_a_gap_and_is_said() -> None:
    column = infer_schema({"x": ["?"] + [str(n % 7) for n in range(98)] + ["*"]})["x"]
    assert (column.kind, column.missing) == ("number", 2)  # the question mark is a marker
    assert "'*', no numbers" in column.note


def test_numbers_with_an_id_s_name_are_left_out() -> None:
    kinds = {"PID": "id", "customer_id": "id", "price": "number", "__index_level_0__": "id", "Unnamed: 0": "id"}
    schema = infer_schema({name: [(n * 7919) % 10007 for n in range(200)] for name in kinds})
    assert {column.name: column.kind for column in schema.columns} == kinds


def test_decimal_commas_and_points_in_one_column_are_refused() -> None:
    with pytest.raises(DataError, match=r"decimal commas, as '1,5', and with decimal points, as '1\.5'"):
        infer_schema({"x": ["1,5", "1.5"] * 30})


@pytest.mark.parametrize("style", ["{},5\u00a0€", "€\u202f{},5", "1\u2009{:03},5 ¥", "₹{},5", "(1\u00a0{:03},5\u00a0₽)",
                                   "{},5\u00a0%", "{},5\u202fkg", "{},5 m²", "1'{:03},5 CHF"])  # fmt: skip
def test_numbers_with_currencies_units_and_other_blanks(style: str) -> None:
    found = infer_schema({"x": [style.format(n * 37 % 101) for n in range(60)]})["x"]
    cells = pl.Series("x", [style.format(3), style.format(3).replace("\u00a0", " "), "x"])
    first, again, odd = read_cells(cells, found, ())[0]
    number = (1003.5 if "1" in style else 3.5) * (-1 if "(" in style else 1)
    assert (found.kind, first, again, odd) == ("number", number, number, None), found


def test_numbers_in_groups_as_in_india() -> None:
    column = infer_schema({"x": ["1,00,000.50", "-2,500", "1,00,00,000", "7.25"] * 30})["x"]
    assert (column.kind, column.shown, column.note) == ("number", "-2500 to 1e+07", "")
    with pytest.raises(DataError, match=r"decimal commas, as '1,5', and with decimal points, as '1,00,000\.50'"):
        infer_schema({"x": ["1,00,000.50", "1,5"] * 30})


@pytest.mark.parametrize(("decimal", "shown"), [(None, "1000 to 2000"), (".", "1000 to 2000"), (",", "1 to 2")])
def test_the_file_s_decimals_decide_what_is_ambiguous(decimal: str | None, shown: str) -> None:
    assert infer_schema({"x": ["1,000", "2,000"] * 30}, decimal=decimal)["x"].shown == shown


def test_text_and_typed_columns_are_alike() -> None:
    typed = pl.DataFrame({"n": [1, 2, 3, None] * 20, "b": [True, False] * 40, "s": ["u", "v", "w", None] * 20})
    written = pl.DataFrame({name: [None if v is None else str(v) for v in typed[name].to_list()] for name in "nbs"})
    one, other = infer_schema(typed), infer_schema(written)
    for a, b in zip(one.columns, other.columns, strict=True):
        assert (a.kind, a.missing, a.distinct, a.shown) == (b.kind, b.missing, b.distinct, b.shown)


@pytest.mark.parametrize(
    "cells",
    [
        [f"{n / 8}" for n in range(60)],
        [f"{n * 7 % 50}" for n in range(60)],
        [str(n) for n in range(60)],
        ["007", *map(str, range(59))],
        [None if n % 5 == 0 else f" {n}e-3" for n in range(60)],
        ["NaN" if n % 5 == 0 else f"{n}" for n in range(60)],
        [f"{n % 2}" for n in range(60)],
        ["7" if n % 2 else None for n in range(60)],
        ["inf", *[f"{n / 2}" for n in range(59)]],
        [f"{2**60 + n % 4}" for n in range(60)],
    ],
)
def test_plain_numbers_are_read_at_once_as_others_are(cells: list[str | None]) -> None:
    """A number among the markers of gaps keeps the short way from being taken."""
    for name in ("a", "id"):
        short, long = (infer_schema({name: cells}, missing=[*MISSING, *more]) for more in ((), ("-98765",)))
        assert short.columns == long.columns


def test_digits_of_other_scripts_are_named() -> None:
    for zero in "٠०０":
        cells = ["".join(chr(ord(zero) + int(digit)) for digit in str(n * 7 % 50)) for n in range(60)]
        assert "write them as 0 to 9" in infer_schema({"a": cells})["a"].why


def test_kinds_are_overruled() -> None:
    frame = {"zip": [10115, 10117] * 30, "size": ["S", "L", "M"] * 20, "a=b": ["1", "2"] * 30, "y": [0, 1] * 30}
    schema = infer_schema(frame, "y", types="zip=category, size=S<M<L, a=b=text")
    assert [column.kind for column in schema.columns] == ["category", "category", "text"]
    assert schema["size"].order == ("S", "M", "L")
    assert infer_schema(frame, "y", types={"zip": "category"})["zip"].kind == "category"


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("zap=category", "no column 'zap'; did you mean 'zip'"),
        ("zip=categry", "did you mean 'category'"),
        ("zip", "no column=kind"),
        ("zip=a<b<a", "a category twice"),
        ("zip=date", "no dates of a known form"),
    ],
)
def test_mistaken_types(types: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        infer_schema({"zip": ["x", "y"] * 30}, types=types)


def test_a_target_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no column 'Y' for the target; did you mean 'y'"):
        infer_schema({"y": [1, 2]}, target="Y")


def test_saved_and_printed() -> None:
    schema = infer_schema({"size": ["S", "L"] * 30, "when": DAYS}, types="size=S<L")
    assert Schema.from_json(schema.to_json()) == schema
    assert "size    category, ordered  -        2         L 50%, S 50%" in str(schema).replace(
        "S 50%, L 50%", "L 50%, S 50%"
    )
    for damaged in ("{}", "[]", "x", schema.to_json().replace("date", "data")):
        with pytest.raises(DataError, match="not a schema"):
            Schema.from_json(damaged)


def test_lists_are_refused() -> None:
    with pytest.raises(DataError, match="'x' holds values of type List"):
        infer_schema(pl.DataFrame({"x": [[1, 2], [3]]}))


@pytest.mark.parametrize("values", [[["a"], ["b"]], [{"a": 1}, {"b": 2}]])
def test_objects_are_refused(values: list[Any]) -> None:
    import pandas as pd

    with pytest.raises(DataError, match="column 'x' holds values of type"):
        infer_schema(pd.DataFrame({"x": values}))


def test_years_beyond_python_s_dates() -> None:
    assert infer_schema({"x": ["0000-01-01", "2020-01-02"] * 30})["x"].kind in ("date", "category")


@pytest.mark.parametrize("one", ["{0}-{1}", "{0}.{1}.3", "2.{0}.{1}"])
def test_ranges_and_versions_are_no_dates(one: str) -> None:
    cells = [one.format(row % 7, row % 7 + 4) for row in range(60)]
    assert infer_schema({"a": cells}).columns[0].kind == "category"


def test_years_have_four_digits_or_two() -> None:
    dates = [f"{row % 28 + 1:02d}.{row % 12 + 1:02d}.{90 + row % 10}" for row in range(60)]
    assert infer_schema({"a": dates}).columns[0].shown.startswith("1990-")


def test_types_of_arrow_that_polars_does_not_know() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    long = pa.array([Decimal(row * row % 17) / 4 for row in range(60)], pa.decimal256(50, 2))
    grades = pa.array([row % 3 * 10 for row in range(60)]).dictionary_encode()
    found = infer_schema(pa.table({"long": long, "grades": grades})).columns
    assert [(column.kind, column.distinct) for column in found] == [("number", 9), ("category", 3)]


def test_ordered_categories_of_arrow_in_several_chunks() -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

    def chunk(*levels: str) -> Any:
        codes = pa.array([row % len(levels) for row in range(30)], pa.int8())
        return pa.DictionaryArray.from_arrays(codes, pa.array(levels), ordered=True)

    def orders(*chunks: Any) -> dict[str, tuple[str, ...]]:
        return as_frame(pa.table({"a": pa.chunked_array(chunks, chunk("lo").type)})).orders

    growing = chunk("lo", "hi"), chunk("lo", "mid", "hi"), chunk("mid", "hi")
    assert orders(*growing) == {"a": ("lo", "mid", "hi")}
    assert as_frame(pa.record_batch({"a": growing[0]})).orders == {"a": ("lo", "hi")}
    found = infer_schema(pa.table({"a": pa.chunked_array(growing)})).columns[0]
    assert (found.distinct, found.missing) == (3, 0)
    assert (
        orders(chunk("lo", "hi"), chunk("hi", "lo")) == orders(chunk("lo", "hi"), chunk("hi", "top")) == orders() == {}
    )


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (("Total", "78", "90"), ["the last row is a total, not a row like the others: delete it"]),
        (("", "66", "78.0"), ["the last row is the sum of those above it, not a row like the others: delete it"]),
        (("", "66", "79"), []),
        (("x", "66", "78"), []),
    ],
)
def test_totals_are_told(last: tuple[str, str, str], said: list[str]) -> None:
    frame = pl.DataFrame({"a": [*"pqr" * 4], "b": range(12), "c": range(1, 13)}).cast(pl.String)
    assert total_row(frame.vstack(pl.DataFrame([last], schema=frame.columns, orient="row"))) == said


@pytest.mark.parametrize(
    ("cells", "what"),
    [
        ([f"{row}.50-" if row % 2 else f"{row}.25" for row in range(60)], "numbers"),
        ([f"{row}%" if row % 2 else f"{row}.5" for row in range(60)], "numbers"),
        (
            [
                f"{row % 28 + 1}/{row % 12 + 1}/2020" if row % 2 else f"{row % 12 + 1}/{row % 28 + 1}/2020"
                for row in range(60)
            ],
            "dates",
        ),
    ],
)
def test_what_is_written_in_several_ways_is_told(cells: list[str], what: str) -> None:
    frame = pl.DataFrame({"a": cells, "b": range(60)})
    found = suggestions(frame, infer_schema(frame), None, ())
    assert any(f"'a' looks like {what} that are written in several ways, as " in one for one in found)


@pytest.mark.parametrize("types", [None, {"a": "date"}])
def test_dates_that_are_read_in_several_ways_are_told(types: dict[str, str] | None) -> None:
    frame = pl.DataFrame({"a": ["2023-01-05", "05/01/2023", "2023/3/4"] * 20, "b": range(60)})
    schema = infer_schema(frame, types=types)
    note = "month before day, which the values do not tell; written in several ways: %Y-%m-%d, %Y/%m/%d, %m/%d/%Y"
    assert (schema["a"].kind, schema["a"].note) == ("date", note)
    assert f"'a': {note}" in suggestions(frame, schema, None, ())
    assert not infer_schema({"a": ["2023-01-05", "2023-01-06 12:00", "2023-01-07 12:00:01"]})["a"].note


def test_more_columns_than_can_be_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpmlp.data.tables.inference.MAX_COLUMNS", 2)
    with pytest.raises(DataError, match="the table has 3 columns, and at most 2 can be learned from: drop some"):
        infer_schema({"a": [1], "b": [2], "c": [3]})


@pytest.mark.parametrize(
    "cells", [["1.5", "inf", "-1e999", "2.5", "nan"], [1.5, float("inf"), -float("inf"), 2.5, None]]
)
def test_rows_with_an_infinite_target_have_none(cells: list[Any]) -> None:
    targets = read_targets(pl.DataFrame({"y": cells}), ["y"], "auto", MISSING, None, "x")
    assert (targets.task, targets.labels.tolist()) == ("values", [[1.5], [2.5]])
    assert targets.kept.tolist() == [True, False, False, True, False]


@pytest.mark.parametrize("levels", [(" lo", "mid ", "hi"), (" lo", "lo", "", "mid ", "hi")])
def test_ordered_categories_with_outer_blanks(levels: tuple[str, ...]) -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    codes = [row % len(levels) for row in range(60)]
    arrow = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(levels), ordered=True)
    for cells in (pd.Categorical.from_codes(codes, levels, ordered=True), arrow):
        found = infer_schema(pd.DataFrame({"a": cells}) if cells is not arrow else pa.table({"a": cells}))["a"]
        assert (found.order, found.missing) == (("lo", "mid", "hi"), 60 // len(levels) * levels.count(""))


def test_values_outside_an_order_are_named() -> None:
    levels = [f"level {place}" for place in range(30)]
    found = infer_schema({"a": levels * 5}, types={"a": "<".join(levels[:-1])})["a"]
    assert found.note == "'level 29' not in the order, read as missing"


def test_a_whole_number_too_large_for_a_float_is_text() -> None:
    found = infer_schema({"a": [10**400, *range(59)]})["a"]
    assert (found.kind, found.missing) == ("number", 1)
    assert infer_schema({"a": [10**400, 10**401] * 30})["a"].kind == "category"


@pytest.mark.parametrize("levels", [[f"{level}" for level in range(10_001)], ["a" * 10_001, "b"]])
def test_an_order_too_large_to_be_saved_is_refused(levels: list[str]) -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    cells = pd.Categorical.from_codes([0, 1] * 30, levels, ordered=True)
    for given in ({"frame": pd.DataFrame({"a": cells})}, {"frame": {"a": [1, 2]}, "types": {"a": "<".join(levels)}}):
        with pytest.raises(DataError, match=f"'a' has an order of {len(levels):,} categories: at most 10,000 are"):
            infer_schema(**given)


@pytest.mark.parametrize("cells", [pl.Series([2**63, 1] * 30, dtype=pl.UInt64), pl.Series([1e19, -1e19] * 30)])
def test_labels_beyond_64_bits_are_refused(cells: pl.Series) -> None:
    with pytest.raises(DataError, match=r"^x: the target 'y' has a label beyond 2\*\*63 - 1; labels go up to that"):
        read_targets(cells.alias("y").to_frame(), ["y"], "auto", MISSING, None, "x")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (pl.Series([datetime.timedelta(hours=n % 3) for n in range(60)], dtype=pl.Duration("ms")), [0, 3600, 7200]),
        (pl.Series([b"%d,5" % (n % 3) for n in range(60)]), [[0.5], [1.5], [2.5]]),
        (pl.Series([b"cat", b"dog", b"NA"] * 20), ["cat", "dog", "cat"]),
    ],
)
def test_targets_of_bytes_and_of_lengths_of_time(cells: pl.Series, labels: list[Any]) -> None:
    targets = read_targets(cells.alias("y").to_frame(), ["y"], "auto", MISSING, None, "x")
    assert targets.labels[:3].tolist() == labels

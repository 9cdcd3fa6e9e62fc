"""Headers of tables: found below titles, above units, with or without names for all columns."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.data.tables.test_reading import ROWS, written
from xpmlp.data.table_options import Given
from xpmlp.data.tables import read_batches, read_table


def test_a_carriage_return_in_a_name(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, '"Price\r(EUR)",b,kind\r\n' + "\r\n".join(ROWS)))
    assert table.data.columns == ["Price (EUR)", "b", "kind"]
    assert table.data.rows() == [tuple(row.split(",")) for row in ROWS]


def test_without_a_header(tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(ROWS))
    table = read_table(path)
    assert table.data.shape == (60, 3)
    assert table.data.columns == ["column 1", "column 2", "column 3"]
    assert read_table(written(tmp_path, "1,2,x\n" + "\n".join(ROWS)), header=True).data.shape == (60, 3)


def test_a_header_without_the_row_names_of_r(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a,b,kind\n" + "".join(f"r{n},{row}\n" for n, row in enumerate(ROWS))))
    assert table.data.columns == ["row name", "a", "b", "kind"]


def test_row_names_of_r_and_an_empty_column(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b,kind\n" + "".join(f"{n},{n / 2},{n % 5},\n" for n in range(1, 60)))
    for kinds, first in (({"row name": "id", "a": "number"}, ("1", "0.5", "1", None)), ({}, ("1", "0.5", "1"))):
        _, batches = read_batches(path, kinds=kinds)
        assert next(batches).row(0) == first


@pytest.mark.parametrize("separator", [", ", ";  ", "| "])
def test_blanks_before_quotes_shift_no_names(separator: str, tmp_path: Path) -> None:
    rows = [(f'"{n / 2}"', f'"cat{separator}or ""dog"""', str(n % 5)) for n in range(40)]
    path = written(tmp_path, "\n".join(map(separator.join, [('"a"', '"kind"', '"b"'), *rows])))
    table = read_table(path)
    assert (table.data.columns, table.data.height) == (["a", "kind", "b"], 40)
    assert table.data["kind"].unique().to_list() == [f'cat{separator}or "dog"']


BELOW = "".join(f"n{row % 3},{row * 7 % 31}.5,{row * 3 % 17}.25\n" for row in range(12))


@pytest.mark.parametrize(
    ("header", "names", "said"),
    [
        ("name,height,weight\n,cm,kg\n", ["name", "height", "weight"], "has units, and is left out: 'cm', 'kg'"),
        ("Person,Size,\nname,height,weight\n", ["name", "height", "weight"], "1 lines before the header"),
        ("Report of 2020,,\nname,height,weight\n", ["name", "height", "weight"], "1 lines before the header"),
        (",2019,2020\nname,size,size\n", ["name", "2019 size", "2020 size"], "has two rows, which are joined"),
        ("who,2019,2019\nname,low,high\n", ["name", "low", "high"], "1 lines before the header"),
        ("Report, all\nof 2020, too\nname,low,high\n", ["name", "low", "high"], "2 lines before the header"),
        ("name,low,high\n----,-,---\n", ["name", "low", "high"], "row of dashes below the header is left out"),
    ],
)
def test_two_rows_above_the_numbers(header: str, names: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text(header + BELOW)
    table = read_table(tmp_path / "two.csv", Given())
    assert (table.data.columns, table.data.height) == (names, 12)
    assert said in " ".join(table.notes)


@pytest.mark.parametrize(("rows", "height"), [("n,3,2.5\n", 1), ("n,,2.5\n", 2), ("", 1)])
def test_units_above_few_rows_are_told_by_the_columns_of_training(rows: str, height: int, tmp_path: Path) -> None:
    path = written(tmp_path, "name,height,weight\nm,cm,kg\n" + rows)
    _, batches = read_batches(path, kinds={"name": "category", "height": "number", "weight": "number"})
    assert pl.concat(batches).height == height
    assert read_table(path).data.height == 1 + bool(rows)


def test_merged_cells_above_a_single_column_of_numbers(tmp_path: Path) -> None:
    rows = "".join(f"{n / 2},{'cat' if n % 2 else 'dog'}\n" for n in range(12))
    table = read_table(written(tmp_path, "Answers,\nheight,kind\n" + rows))
    assert (table.data.columns, table.data.height) == (["height", "kind"], 12)


def test_a_title_above_rows_without_a_header_is_none(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 5},{n * 3 % 11},{n % 2}\n" for n in range(12))
    table = read_table(written(tmp_path, "Report,2020\n" + rows))
    assert (table.data.columns[0], table.data.shape) == ("column 1", (12, 4))


def test_row_names_without_a_name_are_no_merged_cells(tmp_path: Path) -> None:
    rows = "".join(f"r{n},{n / 2 if n else 'none yet'},{'cat' if n % 2 else 'dog'}\n" for n in range(12))
    table = read_table(written(tmp_path, ",height,kind\n" + rows))
    assert (table.data.columns, table.data.height) == (["column 1", "height", "kind"], 12)


def test_merged_cells_of_which_the_last_is_over_several_columns(tmp_path: Path) -> None:
    rows = "".join(f"{n / 2},{n % 5},{n * 3 % 11},{n * 7 % 13}\n" for n in range(12))
    table = read_table(written(tmp_path, "2019,,2020\nlow,high,low,high\n" + rows))
    assert (table.data.columns, table.data.height) == (["2019 low", "2019 high", "2020 low", "2020 high"], 12)


@pytest.mark.parametrize(
    "first", ["x,unknown,unknown\n", "x,NaN,null\n", "x,?,?\n", "x,1.5,low\n", "x,,\n", "-,-,--\n", ",---,\n"]
)
def test_a_row_of_the_table_is_no_second_header(first: str, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("name,height,weight\n" + first + BELOW)
    assert read_table(tmp_path / "one.csv", Given()).data.height == 13

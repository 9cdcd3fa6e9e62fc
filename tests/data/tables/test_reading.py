"""Tables as written by other programs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
import zipfile
from pathlib import Path

import polars as pl
import pytest

from xpmlp.data.table_options import Given
from xpmlp.data.tables import csv_rows, infer_schema, read_batches, read_table, reading
from xpmlp.data.tables.dialect import find_dialect
from xpmlp.errors import DataError

ROWS = [f"{i % 7},{i * 3 % 5},{'cat' if i % 2 else 'dog'}" for i in range(60)]
LINES = ["a,b,kind", *ROWS]
GOOD = "\n".join(LINES) + "\n"


def with_line(number: int, line: str) -> str:
    return "\n".join([*LINES[: number - 1], line, *LINES[number:]]) + "\n"


def zipped(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, GOOD)
    return content.getvalue()


READ: dict[str, tuple[str | bytes, str]] = {
    "plain": (GOOD, ""),
    "UTF-8 with a mark": (GOOD.encode("utf-8-sig"), ""),
    "UTF-16 with a mark": (GOOD.encode("utf-16"), "encoding UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "UTF-16-LE, without a mark"),
    "carriage returns alone": (GOOD.replace("\n", "\r"), ""),
    "carriage returns, and a line feed at the end": (GOOD.strip().replace("\n", "\r") + "\n", ""),
    "carriage returns below a title": ("Report\r\n\r\n" + GOOD.replace("\n", "\r"), "1 lines before the header"),
    "both at the end of lines": (GOOD.replace("\n", "\r\n"), ""),
    "Excel's hint": ("sep=,\n" + GOOD, ""),
    "blank lines first": ("\n\n" + GOOD, ""),
    "a comment first": ("# measured on Monday\n" + GOOD, "comments"),
    "a header that begins as a comment does": ("#" + GOOD, ""),
    "a title line first": ("Report, all of 2020\n" + GOOD, "1 lines before the header"),
    "semicolons": (GOOD.replace(",", ";"), "semicolons"),
    "tabs": (GOOD.replace(",", "\t"), "tabs"),
    "bars": (GOOD.replace(",", "|"), "bars"),
    "blanks": (GOOD.replace(",", " "), "blanks"),
    "columns apart by blanks": (GOOD.replace(",", "    "), "blanks"),
    "a separator at the end of lines": (GOOD.replace("\n", ",\n"), ""),
    "a separator at the end of rows": ("a,b,kind\n" + ",\n".join(ROWS) + ",\n", "the rows end with a blank field"),
    "an index without a name": (
        ",a,b,kind\n" + "".join(f"{n},{row}\n" for n, row in enumerate(ROWS)),
        "counts the rows",
    ),
    "an index in another order": (
        ",a,b,kind\n" + "".join(f"{n * 7 % 60},{row}\n" for n, row in enumerate(ROWS)),
        "counts the rows",
    ),
    "a blank line": ("\n".join([*LINES[:30], "", *LINES[30:]]), ""),
    "the header again": ("\n".join([*LINES[:30], LINES[0], *LINES[30:]]), "1 rows that repeat the header"),
    "quotes around all": ("\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in LINES), ""),
    "quotes after blanks": ("\n".join(", ".join(f'"{cell}"' for cell in line.split(",")) for line in LINES), ""),
    "single quotes": ("\n".join(line.replace("cat", "'cat'") for line in LINES), "single quotes"),
    "gzip": (gzip.compress(GOOD.encode()), "packed with gzip"),
    "bz2": (bz2.compress(GOOD.encode()), "packed with bz2"),
    "xz": (lzma.compress(GOOD.encode()), "packed with xz"),
    "zip": (zipped("d.csv"), "packed with zip"),
}


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "d.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("what", READ)
def test_read(what: str, tmp_path: Path) -> None:
    content, note = READ[what]
    table = read_table(written(tmp_path, content))
    assert table.data.columns == ["a", "b", "kind"]
    assert table.data.rows() == [tuple(row.split(",")) for row in ROWS]
    assert note in "; ".join(table.notes)


def test_lines_that_end_with_two_carriage_returns(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, ("Report\n" + GOOD).replace("\n", "\r\r\n")))
    assert table.data.columns == ["a", "b", "kind"]
    assert table.data["a"].to_list() == [row[0] for row in ROWS]


def test_zstd(tmp_path: Path) -> None:
    path = tmp_path / "d.csv.zst"
    frame = pl.DataFrame({"line": LINES})
    frame.lazy().sink_csv(path, include_header=False, compression="zstd", quote_style="never")
    assert read_table(path).data.rows() == [tuple(row.split(",")) for row in ROWS]


@pytest.mark.parametrize(
    ("line", "kind", "shown"),
    [
        ('"1,000",2,cat', "number", "0 to 1000"),
        ('"1,5",2,cat', "number", "0 to 6"),
        ("50%,2,cat", "number", "0 to 6"),
        ("2024-01-31,2,cat", "number", "0 to 6"),
        ("?,2,cat", "number", "0 to 6"),
        ("0x1F,2,cat", "number", "0 to 6"),
    ],
)
def test_an_odd_cell(line: str, kind: str, shown: str, tmp_path: Path) -> None:
    table = read_table(written(tmp_path, with_line(5, line)))
    column = infer_schema(table.data, decimal=table.decimal)["a"]
    assert (column.kind, column.shown) == (kind, shown)


def test_decimal_commas(tmp_path: Path) -> None:
    text = "a;b\n" + "".join(f"{n},{n % 3};1,000\n" for n in range(30))
    table = read_table(written(tmp_path, text))
    assert table.decimal == ","
    schema = infer_schema(table.data, decimal=table.decimal)
    assert (schema["a"].shown, schema["b"].kind) == ("0 to 29.2", "constant")


def test_sums_of_money_tell_the_decimals(tmp_path: Path) -> None:
    text = "a;b\n" + "".join(f"{n},000;$1,{n:03}.50\n" for n in range(1, 30))
    table = read_table(written(tmp_path, text))
    assert table.decimal is None
    assert infer_schema(table.data)["b"].kind == "number"


def workbook(path: Path, *sheets: list[list[str | float | None]]) -> Path:
    """Write an Excel workbook, its cells as they are stored: texts in their place, or numbers."""

    def cell(value: str | float | None) -> str:
        if value is None:
            return "<c/>"
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>' if isinstance(value, str) else f"<c><v>{value}</v></c>"

    of_sheets, of_packages = "spreadsheetml/2006/main", "package/2006/relationships"
    schemas, office = "http://schemas.openxmlformats.org", "officeDocument/2006/relationships"
    numbers = range(1, len(sheets) + 1)
    names = "".join(f'<sheet name="s{n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
    ways = "".join(
        f'<Relationship Id="r{n}" Type="{schemas}/{office}/worksheet" Target="worksheets/s{n}.xml"/>' for n in numbers
    )
    top = f'<Relationship Id="r" Type="{schemas}/{office}/officeDocument" Target="xl/workbook.xml"/>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{schemas}/{of_packages}">{top}</Relationships>')
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{schemas}/{of_sheets}" xmlns:r="{schemas}/{office}"><sheets>{names}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{schemas}/{of_packages}">{ways}</Relationships>'
        )
        for n, rows in enumerate(sheets, start=1):
            body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
            archive.writestr(
                f"xl/worksheets/s{n}.xml",
                f'<worksheet xmlns="{schemas}/{of_sheets}"><sheetData>{body}</sheetData></worksheet>',
            )
    return path


def test_excel(tmp_path: Path) -> None:
    pytest.importorskip("fastexcel")
    rows: list[list[str | float | None]] = [[n / 2, None, "cat" if n % 2 else None] for n in range(30)]
    titled = workbook(tmp_path / "titled.xlsx", [], [["Report", None, None], [], ["a", None, " kind"], *rows])
    table = read_table(titled)
    assert table.data.columns == ["a", "kind"]
    assert [column.kind for column in infer_schema(table.data).columns] == ["number", "category"]
    assert table.notes == ("of 2 sheets 's2' is read, the first with rows", "1 lines before the header are left out")
    assert read_table(workbook(tmp_path / "plain.xlsx", rows)).data.columns == ["column 1", "column 2", "column 3"]
    for sheet, message in (([["a", "a"], *rows], "names 'a' more than once"), ([], "its sheets have no rows")):
        with pytest.raises(DataError, match=message):
            read_table(workbook(tmp_path / "odd.xlsx", sheet))


def test_blank_rows_of_excel_are_read_as_those_of_csv(tmp_path: Path) -> None:
    pytest.importorskip("fastexcel")
    rows: list[list[str | float | None]] = [[n / 2, "cat" if n % 2 else "dog"] for n in range(20)]
    blank: list[list[str | float | None]] = [[], [None, " "]]
    path = workbook(tmp_path / "t.xlsx", blank, [*blank, ["a", "kind"], [], *rows[:9], *blank, *rows[9:], *blank])
    table = read_table(path)
    assert table.data.height == 20
    assert table.notes == ("of 2 sheets 's2' is read, the first with rows", "3 rows without any value are left out")
    _, batches = read_batches(path)
    assert pl.concat(batches)["kind"].is_null().arg_true().to_list() == [0, 10, 11]


ANOTHER = "with --encoding, after training with --set data.encoding=NAME"


def test_other_code_pages(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("cat", "caf\xe9").encode("latin-1"))
    table = read_table(path)
    assert "café" in table.data["kind"].to_list()
    assert table.notes == (f"not UTF-8, by line 3: read as Windows-1252; name another {ANOTHER}",)
    assert "cafķ" in read_table(path, encoding="cp775").data["kind"].to_list() or read_table(path, encoding="cp1257")


def test_another_code_page_beyond_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", 200)
    table = read_table(written(tmp_path, (GOOD + "1,1,caf\xe9\n").encode("latin-1")))
    assert "café" in table.data["kind"].to_list()
    assert table.notes == (f"not UTF-8, by line 62: read as Windows-1252; name another {ANOTHER}",)


@pytest.mark.parametrize("chunk", [200, 1 << 20])
def test_a_line_that_is_not_utf8_among_others(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CHUNK", chunk)
    odd = "1,1,caf\xe9\n".encode("latin-1")
    (note,) = read_table(written(tmp_path, GOOD.replace("cat", "kätzchen").encode() + odd + odd)).notes
    assert note.startswith("line 62 is not UTF-8, but others are: letters of these are read wrongly, as Windows-1252")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b,kind\n", "a header but no rows"),
        (with_line(1, "a,a,kind"), "names 'a' more than once"),
        (with_line(9, "1,2,cat,4,5"), "row 8 has 5 fields, and the header 3"),
        (with_line(9, '1,2,"cat'), "the quote that row 8 opens is not closed"),
        (with_line(2, '1,"2,cat'), "the quote that row 1 opens is not closed"),
        (with_line(9, '1,"2"nd,cat'), "the quote that row 8 opens is not closed, or text follows it"),
        ('[{"a": 1}]', "is JSON"),
        (b"SQLite format 3\x00 and more", "SQLite"),
        (b"%PDF-1.7", "PDF"),
        ("@RELATION iris\n@DATA\n1\n", "ARFF"),
        (b"\x00\x01\x02" * 100, "is it text"),
        (zipped("a.csv", "b.csv"), "has 2 files packed"),
        (gzip.compress(GOOD.encode())[:-20], "cannot be read"),
        (b"PAR1 and nothing", "cannot be read|is damaged"),
        (b"ARROW1 and nothing", "cannot be read|is damaged"),
    ],
)
def test_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_table(written(tmp_path, content))


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 10**6)
    path = written(tmp_path, gzip.compress(GOOD.encode() + b"1,2,cat\n" * 10**6))
    with pytest.raises(DataError, match="more than 1,000,000 bytes"):
        read_table(path)


def test_binary_tables(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, None], "b": ["x", None, "z"]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.feather")
    (tmp_path / "parts").mkdir()
    frame[:2].write_parquet(tmp_path / "parts" / "1.parquet")
    frame[2:].write_parquet(tmp_path / "parts" / "2.parquet")
    for name in ("t.parquet", "t.feather", "parts"):
        assert read_table(tmp_path / name).data.equals(frame)
        _, batches = read_batches(tmp_path / name, rows=2)
        assert pl.concat(batches).equals(frame)


def test_a_folder_with_columns_in_its_paths(tmp_path: Path) -> None:
    hive = tmp_path / "run=1" / "hive"
    for year in ("2020", "2021"):
        (hive / f"year={year}" / "code=007").mkdir(parents=True)
        pl.DataFrame({"a": [1, 2]}).write_parquet(hive / f"year={year}" / "code=007" / "p.parquet")
    assert read_table(hive).data.select("a", "year", "code").rows() == [
        (a, year, "007") for year in ("2020", "2021") for a in (1, 2)
    ]
    assert read_table(hive / "year=2021").data["year"].to_list() == ["2021", "2021"]
    assert read_table(hive / "year=2021" / "code=007").data["code"].to_list() == ["007", "007"]
    (hive / "others").mkdir()
    pl.DataFrame({"a": [3], "run": [4]}).write_parquet(hive / "others" / "p.parquet")
    assert read_table(hive / "others").data.rows() == [(3, 4)]
    with pytest.raises(DataError, match="others in folders of other kinds"):
        read_table(hive)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
@pytest.mark.parametrize("kind", ["Parquet", "Arrow", "Excel"])
def test_pipes_are_for_text(kind: str, tmp_path: Path) -> None:
    content, frame = io.BytesIO(), pl.DataFrame({"a": [1]})
    if kind == "Excel":
        content.write(workbook(tmp_path / "t.xlsx", [["a"], [1]]).read_bytes())
    else:
        (frame.write_parquet if kind == "Parquet" else frame.write_ipc)(content)
    os.mkfifo(pipe := tmp_path / "pipe")
    threading.Thread(target=pipe.write_bytes, args=[content.getvalue()], daemon=True).start()
    with pytest.raises(DataError, match=f"pipe: is a pipe, and {kind} needs a file"):
        read_table(pipe)


@pytest.mark.parametrize("separator", [",", ";", " "])
def test_rows_with_fewer_fields(separator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read with gaps, and said once: for the whole file, by the number of the first of them."""
    lines = [*ROWS[:20], "1,2", *ROWS[20:40], "", "3", *ROWS[40:]]
    path = written(tmp_path, "\n".join([LINES[0], *lines]).replace(",", separator))
    monkeypatch.setattr(csv_rows, "BATCH_BYTES", 100)
    table = read_table(path)
    assert table.data.rows()[20] == ("1", "2", None)
    assert table.data.rows()[41] == ("3", None, None)
    (note,) = [note for note in table.notes if "fewer" in note]
    assert note.startswith("2 rows have fewer fields than there are columns, the first of them row 21: the fields that")


def test_a_first_row_with_fewer_fields(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, with_line(2, "1,2")))
    assert table.data.rows()[:2] == [("1", "2", None), ("1", "3", "cat")]
    assert "the first of them row 1:" in table.notes[-1]


@pytest.mark.parametrize("line", ["1,2,", '1,"a,b",', '"1","2",""', ",,", "", '"1\n,",,cat'])
def test_empty_fields_are_no_fewer_fields(line: str, tmp_path: Path) -> None:
    assert "fewer" not in "; ".join(read_table(written(tmp_path, with_line(9, line))).notes)


@pytest.mark.parametrize("header", ["remark", "short remark"])
def test_blanks_between_words_separate_no_columns(header: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"{header}\n" + "very good\nnot bad\nquite fine\n" * 20)
    assert read_table(path).data.columns == [header]


@pytest.mark.parametrize("separator", [",", "\t", " "])
def test_rows_with_more_fields(separator: str, tmp_path: Path) -> None:
    path = written(tmp_path, with_line(9, "1,2,cat,4").replace(",", separator))
    with pytest.raises(DataError, match="row 8 has 4 fields, and the header 3"):
        read_table(path)


def test_a_stray_quote_is_found_in_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the quotes were counted anew for each line of a batch, this would take minutes."""
    monkeypatch.setattr(csv_rows, "BATCH_BYTES", 1 << 20)
    path = written(tmp_path, 'x,desc,y\n1,"a",u\n0.5,5" pipe,u\n' + '1,"a",u\n' * (3 << 16))
    with pytest.raises(DataError, match="is a quote left open"):
        read_table(path)


def test_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "BATCH_BYTES", 100)
    text = with_line(9, '1,2,"two\nlines, ""quoted"""')
    _, batches = read_batches(written(tmp_path, text))
    frames = list(batches)
    assert len(frames) == 1  # of one piece that was read; smaller pieces are not cut
    assert pl.concat(frames).equals(read_table(tmp_path / "d.csv").data)


class SmallPieces(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        return super().read(5 if size == 1 << 22 else size)


@pytest.mark.parametrize("end", ["", "\n", "\n\n\r\n\n"])
@pytest.mark.parametrize("batch", [4, 1 << 20])
def test_rows_without_values(end: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "BATCH_BYTES", batch)

    def rows_of(text: str) -> tuple[list[tuple[str | None, ...]], list[str]]:
        dialect, notes = find_dialect(text.encode(), whole=True, given=Given(), source="d.csv"), list[str]()
        frames = csv_rows.csv_batches(SmallPieces(text.encode()), dialect, notes, tmp_path, bounded=False)
        return pl.concat(frames).rows(), notes

    rows, notes = rows_of('a,b\n1,2\n\n,\n\r\n3,"\n\n\n"\n,' + end)
    assert rows == [("1", "2"), (None, None), ("3", "\n\n\n"), (None, None)]
    assert notes == ["2 empty lines are left out"]
    assert rows_of("a\n\n1\n\n\r\n2" + end) == ([(None,), ("1",), (None,), (None,), ("2",)], [])
    assert rows_of("a\r\n1\r\r2\r\n3\r4\r5" + end) == ([("1",), (None,), *((n,) for n in "2345")], [])


def test_rows_without_values_are_not_learned_from(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, with_line(9, ",,\n\n , ,\n,,")))
    assert table.data.height == 60
    assert table.notes == ("1 empty lines are left out", "2 rows without any value are left out")
    assert read_table(written(tmp_path, "a\n1\n\n2\n")).data["a"].to_list() == ["1", None, "2"]


def test_excel_needs_its_extra(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(Exception, match=r"pip install 'xpmlp\[excel\]'|cannot be read|fastexcel"):
        read_table(path)


def test_quotes_that_begin_no_field_are_inches(tmp_path: Path) -> None:
    rows = "".join(f'{row},{row % 7}" pipe\n' for row in range(40))
    (tmp_path / "pipes.csv").write_text("id,pipe\n" + rows)
    assert read_table(tmp_path / "pipes.csv", Given()).data["pipe"][:2].to_list() == ['0" pipe', '1" pipe']

"""Tables of records by name, and the import of records from outside the package."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from xpmlp._records import RecordTable, is_importable, is_outside
from xpmlp.errors import ConfigError


class Shade(NamedTuple):
    """A record of the tests."""

    name: str
    sentence: str = ""


GREY, OLIVE = Shade("grey", "Between black and white."), Shade("olive")

MODULE = """
from pathlib import Path
from tests.test_records import Shade
Path(__file__).with_suffix(".ran").touch()
TEAL, NUMBER = Shade("teal"), 3
"""


@pytest.fixture
def table() -> RecordTable[Shade]:
    return RecordTable("shade", Shade, {"grey": GREY, "olive": OLIVE})


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Write a module ``shades_outside``; the path by which it says that it was imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source: str) -> Path:
        (tmp_path / "shades_outside.py").write_text(source, encoding="utf-8")
        return tmp_path / "shades_outside.ran"

    yield write
    sys.modules.pop("shades_outside", None)


def test_a_table_gives_its_records(table: RecordTable[Shade]) -> None:
    assert table["grey"] is GREY
    assert list(table) == ["grey", "olive"]
    assert len(table) == 2
    assert dict(table) == {"grey": GREY, "olive": OLIVE}
    assert table.sentence("grey") == "Between black and white."
    with pytest.raises(KeyError, match="teal"):
        table["teal"]


def test_looking_up_imports_nothing(table: RecordTable[Shade], module: Callable[[str], Path]) -> None:
    ran, name = module(MODULE), "shades_outside:TEAL"
    assert name not in table
    assert table.find(name) is None
    with pytest.raises(ConfigError, match=r"^the shade 'shades_outside:TEAL' is code from outside of xpmlp"):
        table[name]
    with pytest.raises(ConfigError, match=r'model\.shade = "shades_outside:TEAL" is code .* --allow-code .*True\)\.$'):
        table.admit(name, "model.shade", allow_code=False)
    assert not ran.exists()


def test_what_is_allowed_is_imported_and_found(table: RecordTable[Shade], module: Callable[[str], Path]) -> None:
    ran, name = module(MODULE), "shades_outside:TEAL"
    table.admit(name, "model.shade", allow_code=True)
    assert ran.exists()
    assert table[name] == Shade(name)
    assert name in table
    assert list(table) == ["grey", "olive"]
    table.admit(name, "model.shade", allow_code=False)  # nothing is left to import
    table.admit("grey", "model.shade", allow_code=False)


@pytest.mark.parametrize(
    ("source", "name", "sentence"),
    [
        (MODULE, "shades_outside:PINK", r"shades_outside has no 'PINK'\."),
        (MODULE, "shades_outside:NUMBER", r"is of type int; a record of Shade is needed\."),
        (MODULE, "shades_elsewhere:TEAL", r"there is no module 'shades_elsewhere' to import; set PYTHONPATH"),
        (MODULE, "shades_outside.inner:TEAL", r"there is no module 'shades_outside.inner' to import"),
        (
            "import shades_elsewhere",
            "shades_outside:TEAL",
            r"cannot be imported \(No module named 'shades_elsewhere'\)\.",
        ),
        ("1 / 0", "shades_outside:TEAL", r"cannot be imported \(ZeroDivisionError: division by zero\)\."),
        ("raise SystemExit(3)", "shades_outside:TEAL", r"cannot be imported \(SystemExit: 3\)\."),
        ("raise KeyError", "__main__:TEAL", r"is an object of a program that has ended: put it in a module\."),
    ],
)
def test_what_cannot_be_imported(
    table: RecordTable[Shade], module: Callable[[str], Path], source: str, name: str, sentence: str
) -> None:
    module(source)
    with pytest.raises(ConfigError, match=f'^model.shade = "{name}".*{sentence}') as error:
        table.admit(name, "model.shade", allow_code=True)
    assert "\n" not in str(error.value)
    assert name not in table


def test_a_record_from_python_gets_the_name_by_which_others_find_it(table: RecordTable[Shade]) -> None:
    name = table.register(OLIVE)
    assert name == "olive"
    elsewhere: RecordTable[Shade] = RecordTable("shade", Shade, {})
    name = elsewhere.register(GREY)
    assert name == f"{__name__}:GREY"
    assert is_importable(name)
    assert elsewhere[name] == GREY._replace(name=name)
    assert elsewhere.register(GREY) == elsewhere.register(elsewhere[name]) == name


def test_a_copy_of_a_record_has_the_name_of_the_record(table: RecordTable[Shade]) -> None:
    assert table.register(Shade(*OLIVE)) == "olive"
    elsewhere: RecordTable[Shade] = RecordTable("shade", Shade, {})
    assert elsewhere.register(Shade(*GREY)) == elsewhere.register(Shade(*GREY)) == f"{__name__}:GREY"


def test_a_record_that_no_module_has_gets_a_name_for_this_process(table: RecordTable[Shade]) -> None:
    ones = [Shade("light blue"), Shade("light blue", "Another.")]
    names = [table.register(one) for one in ones]
    assert names == ["__main__:light_blue", "__main__:light_blue_"]
    assert not any(map(is_importable, names))
    assert all(map(is_outside, names))
    assert [table[name] for name in names] == [one._replace(name=name) for one, name in zip(ones, names, strict=True)]


@pytest.mark.parametrize("name", ["a:b", "a.b.c:D", "_a:_b", "__main__:x"])
def test_names_of_outside(name: str) -> None:
    assert is_outside(name)


@pytest.mark.parametrize(
    "name", ["a", "a:", ":b", "a.:b", "a:b.c", "a:b:c", "a b:c", "a:b\n", "../a:b", "a/b:c", "é:b"]
)
def test_other_names(name: str) -> None:
    assert not is_outside(name)

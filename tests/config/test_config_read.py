"""Files that cannot be read: one sentence for each."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from xpmlp.config.read import MAX_BYTES, MAX_KEY_PARTS

Mistakes = Callable[..., list[str]]
Write = Callable[..., Path]


def test_a_missing_file(write: Write, tmp_path: Path, mistakes: Mistakes) -> None:
    write("", "mnist.toml")
    write("", "mnist.txt")
    assert mistakes(tmp_path / "mnits.toml") == ["mnits.toml: there is no such file; did you mean 'mnist.toml'?"]
    assert mistakes(tmp_path / "mnist") == ["mnist: there is no such file; did you mean 'mnist.toml'?"]
    assert mistakes(tmp_path / "synth.toml") == ["synth.toml: there is no such file."]
    assert mistakes(tmp_path / "nowhere" / "x.toml") == ["nowhere/x.toml: there is no such file."]


def test_a_folder(tmp_path: Path, mistakes: Mistakes) -> None:
    (tmp_path / "configs").mkdir()
    assert mistakes(tmp_path / "configs") == ["configs: this is a folder; name the config file in it."]


def test_a_file_without_permission(tmp_path: Path, mistakes: Mistakes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> NoReturn:  # chmod would not keep the superuser out
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert mistakes(tmp_path / "net.toml") == ["net.toml: cannot be read: Permission denied."]


def test_links_in_a_circle(tmp_path: Path, mistakes: Mistakes) -> None:
    path = tmp_path / "net.toml"
    path.symlink_to(path)
    (line,) = mistakes(path)
    assert line.startswith("net.toml: cannot be read: ")


def test_a_name_that_no_file_can_have(tmp_path: Path, mistakes: Mistakes) -> None:
    (line,) = mistakes(tmp_path / "a\0b.toml")
    assert line.endswith("cannot be read: embedded null byte.")


def test_a_huge_file(write: Write, mistakes: Mistakes) -> None:
    mistakes(write("#" * MAX_BYTES))  # just small enough: only data.name is missing
    assert mistakes(write("#" * (MAX_BYTES + 1))) == [
        "net.toml: larger than 1,000,000 bytes, which no config file is; is it the right file?"
    ]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b"\0\0", "[data]".encode("utf-16"), b'name = "\xe9"'])
def test_a_file_that_is_not_text(tmp_path: Path, mistakes: Mistakes, content: bytes) -> None:
    path = tmp_path / "net.toml"
    path.write_bytes(content)
    assert mistakes(path) == ["net.toml: not a text file in UTF-8, as TOML is; is it the right file?"]


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ('[data]\nname = mnist\nroot = "x"', "line 2, column 8", '"name = mnist"'),
        ("[data]\nname 3", "line 2, column 6", '"name 3"'),
        ("[data", "line 1, column 6", '"[data"'),
        ('[data]\nname = """mnist', "line 2, column 16", '"name = \\"\\"\\"mnist"'),
        ("[data]\n[data]\n", "line 2, column 6", '"[data]"'),
        ("a = 1\na = \u2028\x1b", "line 2, column 5", '"a ='),
        ("epochs = x" + "1" * 5000, "line 1, column 10", '"epochs = x111'),
    ],
)
def test_syntax(mistakes: Mistakes, text: str, place: str, line: str) -> None:
    (message,) = mistakes(text)
    assert message.startswith(f"net.toml, {place}")
    assert ": not valid TOML (" in message
    assert f"): {line}" in message
    assert len(message) < 250


@pytest.mark.parametrize("value", ["mnist", "True", ".1"])
def test_a_value_that_is_none_to_toml(mistakes: Mistakes, value: str) -> None:
    (message,) = mistakes(f"[data]\nname = {value}")
    assert message.endswith(
        f'"name = {value}"; text needs quotes, a number a digit in front, true and false lower case.'
    )


def test_an_integer_that_python_will_not_read(mistakes: Mistakes) -> None:
    assert mistakes("epochs = " + "1" * 5000) == ["net.toml: an integer in this file has thousands of digits."]


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "{b = " * 10_000])
def test_absurd_nesting(mistakes: Mistakes, text: str) -> None:
    assert mistakes(text) == ["net.toml: the values are nested too deeply for a config file."]


def test_deep_tables_and_lists_are_no_more_than_mistakes(mistakes: Mistakes) -> None:
    lines = mistakes(".".join("a" * MAX_KEY_PARTS) + " = 1\n[model]\nhidden_layer_sizes = " + "[" * 200 + "]" * 200)
    assert len(lines) == 3
    assert "model.hidden_layer_sizes[0] = [[...]] is not allowed: give an integer of at least 1 and" in lines[1]


@pytest.mark.parametrize(
    "text",
    [
        "a." * 400_000 + "a = 1",
        "[" + "a . " * 17 + "a]",
        "x = {" + "'a'." * 17 + "a = 1}",
        '[data]\n"a.\\"".' + "b." * 17,
    ],
    ids=["a megabyte", "header", "inline table", "quoted"],
)
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(mistakes: Mistakes, text: str) -> None:
    """The parser's memory grows with the square of the parts: 400,000 of them took all that there was."""
    assert mistakes(text) == ["net.toml: a dotted key has more than 16 parts; a config's keys have two."]


@pytest.mark.parametrize(
    "text", ['"' + '\\"' * 490_000, "a" * 900_000, "'" * 900_000, "a " * 450_000, ".".join("1" * 9)]
)
def test_looking_for_such_keys_takes_no_time(mistakes: Mistakes, text: str) -> None:
    begun = time.monotonic()
    assert len(mistakes(text)) >= 1
    assert time.monotonic() - begun < 5.0

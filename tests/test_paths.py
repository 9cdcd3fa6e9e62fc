"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xpmlp._paths import given_path
from xpmlp.errors import XpmlpError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize("kind", [str, Path])
def test_a_tilde_is_the_home_folder(home: Path, kind: type) -> None:
    assert given_path(kind("~/runs/x")) == home / "runs" / "x"
    assert given_path(kind("~")) == home
    assert given_path(kind("runs/~x")) == Path("runs/~x")
    assert given_path(kind("~nobody-of-that-name/x")) == Path("~nobody-of-that-name/x").absolute()


def test_a_folder_whose_name_is_a_tilde(tmp_path: Path) -> None:
    """It is written as in a shell, and stays itself however often the path is handed on."""
    once = given_path("./~/x")
    assert given_path(once) == once == tmp_path / "~" / "x"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have(text: str) -> None:
    if os.name == "nt" and "\0" not in text:
        pytest.skip("Windows has file names with lone surrogates")
    with pytest.raises(XpmlpError, match="no file name of this system"):
        given_path(text)

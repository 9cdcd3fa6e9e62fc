"""No command overwrites its input, whatever the output's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, TABLE, Run, write_inputs


@pytest.fixture
def folder(xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a table, a config and the run of both."""
    monkeypatch.chdir(tmp_path)
    write_inputs(tmp_path)
    Path("x.csv").write_text(TABLE)
    assert xpmlp("train", "c.toml", "-q").status == 0
    return tmp_path


def linked(how: Callable[[str, str], None], to: str) -> Callable[[], str]:
    def link() -> str:
        how(to, "link.csv")
        return "link.csv"

    return link


def folder_linked() -> str:
    Path("other").symlink_to(".")
    return "other/x.csv"


NAMES: dict[str, Callable[[], str]] = {
    "the same": lambda: "x.csv",
    "relative": lambda: "runs/../x.csv",
    "absolute": lambda: str(Path("x.csv").absolute()),
    "a link": linked(os.symlink, "x.csv"),
    "a hard link": linked(os.link, "x.csv"),
    "through a linked folder": folder_linked,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_predict(xpmlp: Run, folder: Path, name: Callable[[], str]) -> None:
    output = name()
    outcome = xpmlp("predict", "runs/c", "x.csv", "-o", output)
    outcome.assert_refused(f"the output {output} would replace x.csv, which is read: choose another output")
    assert Path("x.csv").read_text() == Path(output).read_text() == TABLE


def test_predict_where_the_input_has_another_name(xpmlp: Run, folder: Path) -> None:
    Path("link.csv").symlink_to("x.csv")
    xpmlp("predict", "runs/c", "link.csv", "-o", "x.csv").assert_refused("would replace link.csv")
    assert Path("x.csv").read_text() == TABLE


@pytest.mark.parametrize("output", ["d.csv", "runs/c/epochs.csv", "runs/c/batch_losses.npy"])
def test_predict_spares_the_training_data_and_the_run(xpmlp: Run, folder: Path, output: str) -> None:
    before = Path(output).read_bytes()
    xpmlp("predict", "runs/c", "x.csv", "-o", output).assert_refused("would replace")
    assert Path(output).read_bytes() == before


def test_an_earlier_prediction_is_replaced(xpmlp: Run, folder: Path) -> None:
    for _ in range(2):
        assert xpmlp("predict", "runs/c", "x.csv", "-o", "runs/c/p.csv").status == 0


@pytest.mark.parametrize(
    ("data", "place"),
    [("epochs.csv", "epochs.csv"), ("runs/3/d.csv", "runs/3"), ("checkpoints/d.csv", "checkpoints")],
)
def test_train_spares_its_data(xpmlp: Run, folder: Path, data: str, place: str) -> None:
    path = Path("out") / data
    path.parent.mkdir(parents=True)
    path.write_text(TABLE)
    for grid in ([], ["--set", "grid.runs=2"]):
        outcome = xpmlp("train", "c.toml", "--out", "out", "--overwrite", "--set", f"data.path={path}", *grid)
        outcome.assert_refused(f"the output {Path('out') / place} would replace", "choose another output")
        assert path.read_text() == TABLE


def test_train_spares_its_config_and_what_it_extends(xpmlp: Run, folder: Path) -> None:
    Path("out").mkdir()
    Path("out/config.toml").write_text(CONFIG.replace("d.csv", "../d.csv"))
    Path("c.toml").write_text('extends = "out/config.toml"\n')
    for config in ("out/config.toml", "c.toml"):
        outcome = xpmlp("train", config, "--out", "out", "--overwrite")
        outcome.assert_refused("the output out/config.toml would replace")
    assert "../d.csv" in Path("out/config.toml").read_text()


def test_a_run_is_resumed_with_its_own_config(xpmlp: Run, folder: Path) -> None:
    assert xpmlp("train", "runs/c/config.toml", "--out", "runs/c", "--resume", "-q").status == 0
    assert xpmlp("resume", "runs/c", "-q", "--set", "train.epochs=2").status == 0


def test_bench(xpmlp: Run, folder: Path) -> None:
    for output in ("c.toml", "d.csv"):
        before = Path(output).read_bytes()
        xpmlp("bench", "c.toml", "--out", output).assert_refused(f"the output {output} would replace")
        assert Path(output).read_bytes() == before


def test_verify(xpmlp: Run, folder: Path) -> None:
    Path("verify.json").write_text(CONFIG)
    outcome = xpmlp("verify", "verify.json", "--backends", "numpy", "--out", ".")
    outcome.assert_refused("the output verify.json would replace")
    assert Path("verify.json").read_text() == CONFIG

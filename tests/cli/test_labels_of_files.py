"""Labels in the commands: as printed by training, and as returned by predictions."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Run

REST = "[model]\nhidden_layer_sizes = [4]\n[train]\nepochs = 1\n[output]\nplots = false\n"
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A function (targets, further lines of [data]) -> config, which writes a table of 120 rows beside it."""

    def write(targets: Sequence[object], data: str = "") -> Path:
        rows = (f"{i % 7},{i * 3 % 5},{targets[i % len(targets)]}\n" for i in range(120))
        (tmp_path / "d.csv").write_text("a,b,kind\n" + "".join(rows))
        config = tmp_path / "net.toml"
        config.write_text(f'[data]\nname = "csv"\npath = "d.csv"\ntarget = "kind"\n{data}\n{REST}')
        return config

    return write


@pytest.mark.parametrize(
    ("labels", "printed"),
    [
        (("007", "7", "07"), "3 classes: '007' (40), '07' (40), '7' (40)"),
        (("cat", "dog", "dog"), "2 classes: 'cat' (40), 'dog' (80)"),
        ((3, -1), "2 classes: -1 (60), 3 (60)"),
        (("1.0", "2.0"), "2 classes: 1.0 (60), 2.0 (60)"),
        (
            [f"c{i:02}" for i in [*range(11), 11, 11, 11, 11]],
            "12 classes: 'c00' (8), 'c01' (8), 'c02' (8), 'c03' (8), 'c04' (8), 'c05' (8), 'c06' (8), 'c07' (8), "
            "'c08' (8), 'c09' (8), and 2 more (8 to 32 examples each)",
        ),
        (
            [f"c{i:02}" for i in range(12)],
            "12 classes: 'c00' (10), 'c01' (10), 'c02' (10), 'c03' (10), 'c04' (10), 'c05' (10), 'c06' (10), "
            "'c07' (10), 'c08' (10), 'c09' (10), and 2 more (10 examples each)",
        ),
    ],
)
def test_classes_are_printed_with_their_counts_and_come_back(
    xpmlp: Run, make: Make, tmp_path: Path, labels: Sequence[object], printed: str
) -> None:
    outcome = xpmlp("train", make(labels), "--out", tmp_path / "run")
    assert outcome.out.splitlines()[0].endswith(f" 24 test examples; {printed}"), outcome
    assert xpmlp("predict", tmp_path / "run", tmp_path / "d.csv", "-o", tmp_path / "p.csv").status == 0
    with (tmp_path / "p.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [f"probability of {label}" for label in sorted(map(str, set(labels)))]
    assert {row[0] for row in rows} <= set(map(str, labels))
    assert xpmlp("evaluate", tmp_path / "run").status == 0


@pytest.mark.parametrize("command", ["train", "verify"])
def test_a_gap_in_the_target_is_refused(xpmlp: Run, make: Make, tmp_path: Path, command: str) -> None:
    config = make(("cat", "dog", "?"))
    more = ("--backends", "numpy") if command == "verify" else ()
    xpmlp(command, config, *more, "--out", tmp_path / "out").assert_refused(
        "row 3", "column 'kind' has '?'", "data.missing"
    )


@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_pipe_is_refused_where_data_are_read_again(xpmlp: Run, make: Make, tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    settings = ("--set", f"data.path={tmp_path / 'pipe'}", "--set", "grid.runs=2", "--out", tmp_path / "out")
    outcome = xpmlp(command, make(("cat", "dog")), *settings)
    outcome.assert_refused("pipe: is a pipe, and a file is needed: save the data to a file")


def test_a_gap_may_be_kept_as_a_class(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    config = make(("cat", "dog", "NA"))
    outcome = xpmlp("train", config, "--out", tmp_path / "run", "--set", "data.missing=[]")
    assert outcome.out.splitlines()[0].endswith("; 3 classes: 'NA' (40), 'cat' (40), 'dog' (40)")
    assert xpmlp("evaluate", tmp_path / "run").status == 0


def test_many_whole_numbers_may_be_quantities(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    config = make(range(20, 44))
    hint = 'the target\'s 24 whole numbers are taken for classes; if they are quantities, set model.loss = "squared"'
    assert hint in xpmlp("train", config, "--out", tmp_path / "run").out
    assert (
        hint
        in xpmlp("train", config, "--out", tmp_path / "grid", "--set", "grid.runs=2", "--set", "grid.workers=1").out
    )
    said = xpmlp("train", config, "--out", tmp_path / "run2", "--set", "model.loss=cross_entropy")
    assert (said.status, hint in said.out) == (0, False)


def test_targets_that_are_far_too_large_are_named(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    config = make([100_000.5 + 7919 * i for i in range(50)])
    outcome = xpmlp("train", config, "--out", tmp_path / "run", "--set", "train.epochs=30")
    assert outcome.status == 3
    assert "the targets reach 4.88e+05: divide them by a constant" in outcome.out
    assert "the targets reach 4.88e+05: divide them by a constant" in outcome.err
    assert "lower train.learning_rate (it was 0.01)." in outcome.err


def test_data_with_other_classes_are_not_evaluated(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    assert xpmlp("train", make(("ant", "bee")), "--out", tmp_path / "run").status == 0
    make(("bee", "cow"))
    outcome = xpmlp("evaluate", tmp_path / "run")
    outcome.assert_refused("has the label 'cow', which no training example had: these had 'ant', 'bee'")


def test_class_weights_by_label_as_the_file_writes_them(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    for number, (labels, key) in enumerate(((("TRUE", "FALSE"), "TRUE"), (("01", "02"), "01"), (("1", "2"), '"1.0"'))):
        weight = f"train.class_weight={{{key} = 3.0}}"
        assert xpmlp("train", make(labels), "--out", tmp_path / f"run{number}", "--set", weight).status == 0


def test_a_root_without_the_files_is_not_passed_over(
    xpmlp: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XPMLP_DATA_DIR", raising=False)
    monkeypatch.setattr("xpmlp.data.download.transfer", lambda *_, **__: pytest.fail("a download"))
    config = tmp_path / "net.toml"
    shutil.copy(Path(__file__), tmp_path)  # some other file
    config.write_text(f'[data]\nname = "mnist"\nroot = "."\n{REST}')
    xpmlp("train", config, "--out", tmp_path / "run").assert_refused("data.root", "lacks train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [(("cat", "dog"), ("dog",)), (("+", "-"), ("-",)), (("007", "7", "8"), ("7", "007")), ((3, 4, 5), (4,))],
)
def test_evaluation_needs_none_but_known_classes(
    xpmlp: Run, make: Make, tmp_path: Path, trained: Sequence[object], evaluated: Sequence[object]
) -> None:
    assert xpmlp("train", make(trained), "--out", tmp_path / "run").status == 0
    make(evaluated)
    outcome = xpmlp("evaluate", tmp_path / "run")
    assert outcome.status == 0, outcome


def test_evaluation_says_which_labels_it_cannot_tell_apart(xpmlp: Run, make: Make, tmp_path: Path) -> None:
    assert xpmlp("train", make((7, 8)), "--out", tmp_path / "run").status == 0
    make(("007", "7"))
    xpmlp("evaluate", tmp_path / "run").assert_refused(
        f"{tmp_path / 'd.csv'}: has the labels '007' and '7'", "the network knows only '7'"
    )

"""The five walks of docs/design.md: trainings, predictions and a Ctrl-C call every function named in them."""

from __future__ import annotations

import inspect
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import pytest

from tests.test_design_doc import WALKS, found
from xpmlp import MLPClassifier
from xpmlp.cli import main
from xpmlp.training.loop import _Block

_, *PARTS = re.split(r"^\*\*(.+?)\*\*", WALKS.partition("Around all of them")[0], flags=re.MULTILINE)

CONFIG = """
data.name = "digits"
model.hidden_layer_sizes = [8]
train = {optimizer = "momentum", learning_rate = 0.01, epochs = 2, schedule = "cosine"}
backend = {name = "numpy", fused = false}
output.plots = false
"""

OF_A_TABLE = ("train.epochs=1", "train.folds=none", "backend.name=numpy", "backend.fused=false", "output.plots=false")


def code_of(name: str) -> CodeType | None:
    """The code of a function, method or property; None of anything else."""
    thing: Any = found(name)
    thing = inspect.unwrap(getattr(thing, "fget", None) or getattr(thing, "__func__", thing))
    code = getattr(thing, "__code__", None)
    return code if isinstance(code, CodeType) else None


@contextmanager
def recorded() -> Iterator[set[CodeType]]:
    """Record the code of every Python function that is called within the block, by any thread."""
    called: set[CodeType] = set()

    def hook(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            called.add(frame.f_code)

    before = sys.getprofile()
    threading.setprofile(hook)
    sys.setprofile(hook)
    try:
        yield called
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["xpmlp", *arguments])
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main())
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_every_function_of_the_walks_is_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.toml").write_text(CONFIG)
    Path("table.csv").write_text("a,b,y\n" + "".join(f"{n},{'uv'[n % 2]},{n % 3}\n" for n in range(120)))
    np.save("images.npy", np.zeros((3, 64)))
    train_segment = _Block._train_segment

    def interrupted(*arguments: Any) -> None:
        train_segment(*arguments)
        signal.raise_signal(signal.SIGINT)

    with recorded() as called:
        with monkeypatch.context() as patch:
            patch.setattr(_Block, "_train_segment", interrupted)
            assert run(patch, "train", "config.toml", "--out", "run") == 130
        assert run(monkeypatch, "resume", "run") == 0
        assert run(monkeypatch, "predict", "run", "images.npy", "--output", "digits.csv") == 0
        settings = [word for setting in OF_A_TABLE for word in ("--set", setting)]
        table = ("table.csv", "--target", "y", "--class-weight", "balanced", "--out", "of-table", *settings)
        assert run(monkeypatch, "train", *table) == 0
        assert run(monkeypatch, "predict", "of-table", "table.csv", "--output", "classes.csv") == 0
        features, labels = np.eye(10), np.arange(10) % 2
        MLPClassifier((4,), max_iter=200, tol=1.0).fit(features, labels, np.ones(10))
    walks = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
    assert len(walks) == 5
    for walk, text in walks.items():
        codes = {name: code_of(name) for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", text)}
        functions = {name: code for name, code in codes.items() if code is not None}
        assert len(functions) > 3, walk
        assert [name for name, code in functions.items() if code not in called] == [], walk

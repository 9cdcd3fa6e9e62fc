"""Trainings that are killed midway, and the files that they leave."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import xpmlp
from xpmlp.config import Config
from xpmlp.training import Progress, Reporter, Result

FREQUENT = {"output.checkpoint_every": "7 steps", "train.segment_steps": 3}

FILES = ("config.toml", "epochs.csv", "batch_losses.npy", "weights.safetensors", "train_after.csv")


class Listener(Reporter):
    """Notes what it hears, and fails in a segment like a process that dies."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.segments, self.dies_at = 0, dies_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def segment(self, progress: Progress) -> None:
        self.segments += 1
        if self.segments == self.dies_at:
            raise Death


class Death(BaseException):
    """Nothing in the program catches it."""


def dies(config: Config, folder: Path, segments: int, **how: Any) -> None:
    """Begin a training, or resume it, and end it in the middle."""
    with pytest.raises(Death):
        xpmlp.train(config, folder, reporter=Listener(segments), **how)


def resumed(config: Config, folder: Path, **how: Any) -> tuple[Result, list[str]]:
    listener = Listener()
    return xpmlp.train(config, folder, resume=True, reporter=listener, **how), listener.notes


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


def copied(folder: Path, into: Path) -> Path:
    """A copy of a run folder, to be changed."""
    target = into / "copy"
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".lock"))
    return target

"""The times of checkpoints, which change nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import xpmlp
from tests.digits import digits_config
from tests.training.interrupted import FILES, FREQUENT, files
from xpmlp.config import OutputConfig
from xpmlp.training.checkpointing import Checkpoints


@pytest.mark.parametrize(
    ("often", "due"),
    [
        ("3 steps", [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]),
        ("1 epoch", [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        ("2 epochs", [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("25 seconds", [0, 0, 1, 0, 0, 1, 0, 0, 1, 0]),
        ("auto", [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    ],
)
def test_when_checkpoints_are_due(often: str, due: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten segments of 10 seconds; four of 1 step and one of 2 are an epoch.  The computer's clock goes backwards."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: -now)
    checkpoints = Checkpoints(tmp_path, OutputConfig(checkpoint_every=often), 1, {})
    heard, step = [], 0
    for segment in range(10):
        now += 10
        ended = segment % 5 == 4
        step += 2 if ended else 1
        heard.append(int(checkpoints.due(epoch_ended=ended, steps=step)))
        if heard[-1]:
            checkpoints._steps, checkpoints._epochs, checkpoints._time = step, 0, now
    assert heard == due


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    every, none = (digits_config({**FREQUENT, "output.checkpoint_every": often}) for often in ("1 step", "none"))
    xpmlp.train(every, tmp_path / "every")
    xpmlp.train(none, tmp_path / "none")
    written = files(tmp_path / "every"), files(tmp_path / "none")
    for name in set(FILES) - {"config.toml", "train_after.csv"}:
        assert written[0][name] == written[1][name]
    assert not (tmp_path / "none" / "checkpoints").exists()

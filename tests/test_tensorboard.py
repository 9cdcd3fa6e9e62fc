"""TensorBoard's event files contain the run folder's numbers."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import xpmlp
from xpmlp.errors import BackendError
from xpmlp.tensorboard import FOLDER, LONGEST, write_events

pytest.importorskip("tensorboardX", reason="tensorboardX, of the extra tensorboard, is not installed")

CONFIG = (
    '[data]\nname = "digits"\n[model]\nhidden_layer_sizes = [8]\n[train]\nepochs = 3\n[output]\ntensorboard = true\n'
)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of the event files in a folder, read record by record (length, checksum, event, checksum)."""
    from tensorboardX.proto import event_pb2

    series: dict[str, list[tuple[int, float]]] = {}
    for file in folder.glob("events.*"):
        content, place = file.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = event_pb2.Event.FromString(content[place + 12 : place + 12 + length])
            place += 12 + length + 4
            for value in event.summary.value:
                series.setdefault(value.tag, []).append((event.step, value.simple_value))
    return series


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(CONFIG)
    return file


def test_one_run(config_file: Path, tmp_path: Path) -> None:
    result = xpmlp.train(xpmlp.load_config(config_file), tmp_path / "run")
    series = scalars(tmp_path / "run" / FOLDER)
    history = result.history
    for tag, figures in {
        "loss/train": history.train_loss,
        "loss/validation": history.validation_loss,
        "accuracy/train": history.train_value,
        "accuracy/validation": history.validation_value,
        "learning_rate": history.learning_rate,
    }.items():
        steps, values = zip(*series[tag], strict=True)
        assert steps == (1, 2, 3)
        np.testing.assert_allclose(values, figures, rtol=1e-6)
    steps, values = zip(*series["loss/batch"], strict=True)
    assert steps == tuple(range(1, len(history.batch_losses) + 1))
    np.testing.assert_allclose(values, history.batch_losses, rtol=1e-6)


def test_a_grid_has_one_line_a_run(config_file: Path, tmp_path: Path) -> None:
    config = xpmlp.load_config(config_file, {"grid.runs": 2, "grid.workers": 1, "train.epochs": 1})
    result = xpmlp.train_grid(config, tmp_path / "grid")
    folders = sorted((tmp_path / "grid" / FOLDER).iterdir())
    assert [folder.name for folder in folders] == ["run-0", "run-1"]
    losses = [scalars(folder)["loss/train"][0][1] for folder in folders]
    np.testing.assert_allclose(losses, result.history.train_loss, rtol=1e-6)


def test_long_series_are_thinned_to_means(tmp_path: Path) -> None:
    losses = np.arange(10 * LONGEST + 5, dtype=np.float64)
    np.save(tmp_path / "batch_losses.npy", losses)
    (tmp_path / "epochs.csv").write_text("run,epoch\n")
    points = scalars(write_events(tmp_path))["loss/batch"]
    assert len(points) <= LONGEST
    assert points[0] == (11, 5.0)
    assert points[-1][0] == len(losses)


def test_a_missing_writer_is_said_before_training(
    config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(BackendError, match=r"pip install 'xpmlp\[tensorboard\]'"):
        xpmlp.train(xpmlp.load_config(config_file), tmp_path / "run")
    assert not (tmp_path / "run").exists()

"""The shipped configs on the real MNIST: their promised figures, and their memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xpmlp

ROOT = Path(__file__).parents[2]

MNIST = ROOT / "configs" / "mnist.toml"

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize("seed", range(5))
def test_mnist(seed: int) -> None:
    # an independent implementation gave 0.3155 +- 0.001 and 0.918 +- 0.002
    history = xpmlp.train(xpmlp.load_config(MNIST, {"train.seed": seed})).history
    assert history.validation_loss[-1] == pytest.approx(0.316, abs=0.008)
    assert history.validation_value[-1] == pytest.approx(0.918, abs=0.005)
    assert history.batch_losses.shape == (5 * 1719,)


@pytest.mark.slow
def test_mnist_sgd_reaches_the_courseworks_figures() -> None:
    result = xpmlp.train(xpmlp.load_config(ROOT / "configs" / "mnist-sgd.toml"))
    assert result.history.batch_losses.shape == (5 * 60_000,)
    assert result.run.test is not None
    assert result.run.test.value >= 0.971
    assert result.run.test.loss <= 0.124


PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "xpmlp", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the unit of the peak memory is Linux's")
def test_a_whole_training_takes_less_than_400_mb(tmp_path: Path) -> None:
    # a process of its own asks, since this one's children include whatever other tests have started
    ended = subprocess.run(
        [sys.executable, "-c", PEAK, "train", str(MNIST), "--quiet", "--out", str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["status"] == "finished"
    assert (tmp_path / "run" / "loss.png").is_file(), "its plots count, too"
    assert int(ended.stdout) * 1024 < 400e6

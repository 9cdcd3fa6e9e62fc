"""A run folder that several tests continue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.digits import digits_config
from tests.training.interrupted import FREQUENT, dies


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of 3 epochs that died in the third; not to be changed."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    dies(digits_config({**FREQUENT, "train.epochs": 3}), folder, 14 * 2 + 9)
    return folder

"""A run folder to draw from."""

import json

import numpy as np
import pytest

from tests.plots.figures import HEADER


@pytest.fixture
def make(tmp_path):
    """A function that makes a run folder."""

    def make_folder(losses, epochs="", **record):
        np.save(tmp_path / "batch_losses.npy", np.asarray(losses, dtype=np.float32))
        (tmp_path / "epochs.csv").write_text(HEADER + epochs)
        (tmp_path / "run.json").write_text(json.dumps(record))
        return tmp_path

    return make_folder

"""A run folder belongs to one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xpmlp
from tests.digits import digits_config
from xpmlp.errors import RunFolderError

HOLDER = """
import sys
from pathlib import Path
from xpmlp.storage.run_folder import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_two_processes_in_one_folder(tmp_path: Path) -> None:
    """The second one is refused as long as the first one lives, and no longer."""
    folder = tmp_path / "run"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for how in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(RunFolderError, match="is in use: another process is training into it"):
                xpmlp.train(digits_config(), folder, **how)
        assert [path.name for path in folder.iterdir()] == [".lock"]
    finally:
        holder.kill()
        holder.communicate()
    xpmlp.train(digits_config(), folder)

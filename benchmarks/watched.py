"""``xpmlp`` under observation: ``python -m benchmarks.watched BOARD ARGUMENTS...``.

The program runs unchanged, but records on a board, a small file in shared memory, how many steps it has trained and
whether it is writing a checkpoint.

Another process reads the board while this one runs, and after it has been killed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

STEPS, WRITING, WRITTEN, MICROSECONDS = range(4)
"""Places on the board: steps trained, 1 while a checkpoint is written, checkpoints written, and the time of writing."""


def board(path: Path) -> Any:
    """Open the board in a file, (4,) int64, shared by all processes that open it; made if missing."""
    return np.memmap(path, dtype=np.int64, mode="r+" if path.exists() else "w+", shape=(4,))


def main() -> None:
    """Run the program, and record its progress."""
    path, *arguments = sys.argv[1:]
    from xpmlp.cli import main as program
    from xpmlp.storage import CheckpointWriter
    from xpmlp.training import loop

    shown = board(Path(path))
    train_segment, write = loop._Block._train_segment, CheckpointWriter.write

    def watched_segment(self: Any, segment: Any) -> None:
        train_segment(self, segment)
        shown[STEPS] += segment.steps

    def watched_write(self: Any, *content: Any) -> Path:
        shown[WRITING], started = 1, time.perf_counter()
        written = write(self, *content)
        shown[WRITING] = 0
        shown[WRITTEN] += 1
        shown[MICROSECONDS] += int(1e6 * (time.perf_counter() - started))
        return written

    loop._Block._train_segment = watched_segment  # type: ignore[method-assign]
    CheckpointWriter.write = watched_write  # type: ignore[method-assign, assignment]
    sys.argv = ["xpmlp", *arguments]
    program()


if __name__ == "__main__":
    main()

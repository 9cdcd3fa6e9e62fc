"""When checkpoints of a training are written, and with what."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from xpmlp.checkpoint import Checkpoint, CheckpointWriter
from xpmlp.config import OutputConfig
from xpmlp.training import run_folder
from xpmlp.training.encoding import encode
from xpmlp.training.snapshot import Snapshot

AUTO_SECONDS = 30
"""Between two checkpoints at ends of epochs, at least."""


class Interval(NamedTuple):
    """How often: ``[output] checkpoint_every`` taken apart.

    Attributes
    ----------
    every : int
    unit : "epoch", "second", "step" or "auto"
    """

    every: int
    unit: str

    @classmethod
    def of(cls, text: str) -> Interval:
        """For example of "5 epochs"."""
        if text == "auto":
            return cls(AUTO_SECONDS, "auto")
        count, unit = text.split()
        return cls(int(count), unit.removesuffix("s"))


class Checkpoints:
    """Writes a block's snapshots into a folder when they are due: the `Saver` of a training that is to survive.

    Time is measured by a clock that only goes forwards, whatever is done to the computer's.

    Parameters
    ----------
    folder : Path
    output : OutputConfig
        Says how often, and how many are kept; its ``checkpoint_every`` is not ``None``.
    runs : int
        How many runs the block has.
    circumstances : dict
        What is written beside each snapshot; see `xpmlp.training.resuming`.
    start : Checkpoint, optional
        The one from which the training goes on.
    """

    def __init__(
        self,
        folder: Path,
        output: OutputConfig,
        runs: int,
        circumstances: dict[str, Any],
        start: Checkpoint | None = None,
    ) -> None:
        assert output.checkpoint_every is not None
        self.interval = Interval.of(output.checkpoint_every)
        self.circumstances = circumstances
        self._writer = CheckpointWriter(folder, runs, output.keep, start)
        self._steps = 0 if start is None else max(map(len, start.losses))
        self._epochs, self._time = 0, time.monotonic()

    def due(self, *, epoch_ended: bool, steps: int) -> bool:
        """Whether it is time for the next checkpoint."""
        match self.interval.unit:
            case "step":
                return steps - self._steps >= self.interval.every
            case "second":
                return time.monotonic() - self._time >= self.interval.every
            case "epoch":
                self._epochs += epoch_ended
                return self._epochs >= self.interval.every and epoch_ended
        return epoch_ended and time.monotonic() - self._time >= self.interval.every

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint.

        Raises
        ------
        RunFolderError
            If the disk is full or the folder cannot be written to; the checkpoints before are as they were.
        """
        description, tensors = encode(snapshot)
        losses = [run.batch_losses for run in snapshot.runs]
        with run_folder.explained(self._writer.folder):
            content = {"training": description, "circumstances": self.circumstances}
            self._writer.write(snapshot.steps, content, tensors, losses)
        self._epochs, self._steps, self._time = 0, snapshot.steps, time.monotonic()

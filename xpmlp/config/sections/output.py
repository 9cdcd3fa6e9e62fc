"""``[output]``: the files written by a run."""

from __future__ import annotations

from pathlib import Path

from xpmlp.config.sections.section import Section
from xpmlp.config.value_types import (
    AnyPath,
    Count,
    Interval,
    OrNone,
)


class OutputConfig(Section):
    """The files written by a run."""

    folder: AnyPath = Path("runs")
    """Run folders are `<folder>/<name of the config file>`. Relative to the working directory."""

    plots: bool = True
    """Draw the curves (`loss.png`, `loss.svg`, `epochs.png`)."""

    tensorboard: bool = False
    """Also write the curves as TensorBoard event files, into `tensorboard/` (extra `tensorboard`)."""

    page: bool = False
    """Write the page of the network (`page.html`) at the end of `xpmlp train`, `tune` and `resume`, as `xpmlp page`
    does; for a grid, the page of the best run, into that run's folder.
    """

    checkpoint_every: OrNone[Interval] = "auto"
    """When to write a checkpoint, from which `--resume` continues: after a number of epochs, or at the first end of a
    segment after a number of seconds or steps. "auto": at the first end of an epoch after 30 seconds. A training that
    ends or is stopped also writes one. "none": never.
    """

    keep: Count = 2
    """Number of checkpoints to keep, always the latest; more than one guards against damage."""

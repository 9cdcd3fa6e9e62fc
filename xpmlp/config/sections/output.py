"""``[output]``: the files that a run leaves."""

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
    """The files that a run leaves behind."""

    folder: AnyPath = Path("runs")
    """Run folders are `<folder>/<name of the config file>`. Relative to the working directory."""

    plots: bool = True
    """Draw the curves (`loss.png`, `loss.svg`, `epochs.png`)."""

    tensorboard: bool = False
    """Write the curves as TensorBoard event files, too, into `tensorboard/` (extra `tensorboard`)."""

    page: bool = False
    """Write the page of the network (`page.html`) at the end of `xpmlp train`, `tune` and `resume`, as `xpmlp page`
    does; of a grid that of the best run, into that run's folder.
    """

    checkpoint_every: OrNone[Interval] = "auto"
    """When to write a checkpoint, from which `--resume` goes on: after so many epochs, or at the first end of a segment
    after so many seconds or steps. "auto": at the first end of an epoch after 30 seconds. A training that ends or is
    stopped writes one, too. "none": never.
    """

    keep: Count = 2
    """Checkpoints that are kept: the last ones, a second one in case of damage."""

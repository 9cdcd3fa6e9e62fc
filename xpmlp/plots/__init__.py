"""Figures of runs and of the report, drawn from saved numbers; the only package that imports matplotlib.

Matplotlib is imported when something is drawn, and used through its objects: no pyplot, no windows, no figures kept in
memory.  The same numbers give the same bytes in any style set by the user.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from xpmlp.plots.curves import NARROW, Band, bands_figure, learning_rates_figure, mean_loss_figure
from xpmlp.plots.epochs import epochs_figure, ranked
from xpmlp.plots.loss import loss_figure
from xpmlp.plots.parity import ParityCurve, parity_figure
from xpmlp.plots.pictures import boundary_figure, confusion_figure, images_figure
from xpmlp.plots.saved import Facts, read_epochs, read_facts, read_losses
from xpmlp.plots.style import head, import_matplotlib, own_style, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "NARROW",
    "Band",
    "Facts",
    "ParityCurve",
    "bands_figure",
    "boundary_figure",
    "confusion_figure",
    "draw",
    "draw_run",
    "images_figure",
    "import_matplotlib",
    "learning_rates_figure",
    "loss_figure",
    "mean_loss_figure",
    "parity_figure",
]


def draw(make: Callable[[], Figure], *paths: Path, title: str | None = None) -> list[Path]:
    """Make a figure in this project's style and write it.

    Parameters
    ----------
    make : () -> Figure
    *paths : Path
        Files with the suffix ``.png`` or ``.svg``.
    title : str, optional
        Title for a figure without one of its own, since a file may be viewed without its page.

    Returns
    -------
    list of Path
        The files written, each whole or not at all.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    with own_style():
        figure = make()
        if title is not None:
            head(figure, title)
        return save(figure, *paths)


def draw_run(folder: Path) -> list[Path]:
    """Draw the curves of the run in ``folder`` into ``loss.png``, ``loss.svg`` and ``epochs.png``.

    Parameters
    ----------
    folder : Path
        Contains ``epochs.csv``, ``batch_losses.npy``, (steps,) or (steps, runs), and optionally ``run.json``, with the
        keys ``name``, ``steps_per_epoch``, ``batch_size``, ``loss``, ``runs`` and ``best``.

    Returns
    -------
    list of Path
        The files written, each whole or not at all.

    Raises
    ------
    RunFolderError
        If one of the first two is missing, or a file is damaged.
    OSError
        If the folder cannot be written to, or the disk is full.
    """
    facts, epochs, losses = read_facts(folder), read_epochs(folder), read_losses(folder)
    facts = facts._replace(combinations=tuple(ranked(epochs, facts.combinations)))
    loss = draw(lambda: loss_figure(losses, facts), folder / "loss.png", folder / "loss.svg")
    return loss + draw(lambda: epochs_figure(epochs, facts), folder / "epochs.png")

"""The common style of all figures: colours, fonts, and file output."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xpmlp._files import replacing
from xpmlp._text import printable
from xpmlp.errors import PlotError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# Okabe and Ito (2008), "Color Universal Design": distinguishable with any colour vision.
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
INK, GREY, FAINT = "#333333", "#767676", "#DDDDDD"

STYLE = {
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 12.0,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "font.size": 11.5,
    "legend.fontsize": 10.5,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "savefig.dpi": 144,
    "svg.hashsalt": "xpmlp",  # without it, the ids in an SVG are random
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Draw in this project's style, ignoring the user's settings, which are restored afterwards.

    Raises
    ------
    PlotError
        If matplotlib cannot be imported.
    """
    import_matplotlib()
    from matplotlib import style

    with style.context(STYLE, after_reset=True), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a box replaces it
        yield


def import_matplotlib() -> None:
    """Import matplotlib, ignoring ``MPLBACKEND``: files need no backend, and it may not be installed here.

    If it is installed, it still applies to the user's own figures.

    Raises
    ------
    PlotError
        If matplotlib cannot be imported, for example because of the user's settings files or an unusable cache folder.
    """
    if "matplotlib.style" in sys.modules:
        return
    wanted = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib.style
    except Exception as error:
        raise PlotError(f"matplotlib, which draws the figures, cannot be imported: {error}.") from error
    finally:
        if wanted is not None:
            os.environ["MPLBACKEND"] = wanted
    if wanted:
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of this size in inches, with constrained layout."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def title(axes: Axes, text: str) -> None:
    """Set ``text`` as the title of ``axes``, not as TeX: a run's name may contain a dollar sign."""
    axes.set_title(printable(text), parse_math=False)


def head(figure: Figure, text: str) -> None:
    """Set ``text`` as the title of a whole ``figure``, of one panel or of several, not as TeX."""
    figure.suptitle(printable(text), x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK, parse_math=False)


def by_epoch(axes: Axes) -> None:
    """Number the epochs along ``axes``, and add horizontal grid lines."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color="#EEEEEE")
    axes.set_axisbelow(True)


def legend_below(axes: Axes, note: str = "") -> Legend:
    """Add a legend under ``axes``, where long labels do not cover them, with a ``note`` as its last line."""
    from matplotlib.lines import Line2D

    handles = [*axes.get_legend_handles_labels()[0], *([Line2D([], [], linestyle="none", label=note)] if note else [])]
    legend = axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(-0.1, -0.16),
        borderaxespad=0,
        fontsize=9.5,
        title_fontsize=9.5,
        alignment="left",
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend


def say(axes: Axes, sentence: str) -> None:
    """Write ``sentence`` in the middle of ``axes`` without data."""
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])


def save(figure: Figure, *paths: Path) -> list[Path]:
    """Write ``figure`` to each of ``paths``, in the format of its suffix, without a date or a version."""
    for path in paths:
        kind = path.suffix[1:]
        nothing = {"png": ["Software"], "svg": ["Date", "Creator"]}[kind]
        with replacing(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=dict.fromkeys(nothing))
    return list(paths)

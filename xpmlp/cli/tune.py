"""Progress and summary of a tuning on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from xpmlp.cli.interrupt import stop_on_signals
from xpmlp.cli.progress import ShownRun
from xpmlp.cli.streams import print_lines
from xpmlp.cli.train import draw_page, summary
from xpmlp.config import Config
from xpmlp.grid import Trial, TuningReporter, tune
from xpmlp.grid.tuning import BEST, FOLDER
from xpmlp.training import Status
from xpmlp.training.vote import settings_of


class ShownTuning(ShownRun, TuningReporter):
    """A reporter with a line for each trial, and then the training of the vote."""

    def trial(self, trial: Trial, best: Trial | None) -> None:
        """Print a trial's figure and settings."""
        figure = "given up" if trial.figure is None else f"{trial.figure:.4f}"
        mark = " *" if trial is best or (best is not None and trial.number == best.number) else ""
        self.line(f"trial {trial.number}: {figure}{mark}   {_words(trial.settings)}   {trial.seconds:.0f} s")

    def chosen(self, best: Trial | None, trials: int) -> None:
        """Print the best settings."""
        settled = "the config's own settings" if best is None else f"trial {best.number}, {_words(best.settings)}"
        self.line(f"{trials} trials; training with {settled}")


def run(config: Config, folder: Path, *, quiet: bool, **how: Any) -> int:
    """Tune, showing the progress, and print a summary of the result.

    Parameters
    ----------
    config : Config
    folder : Path
    quiet : bool
    **how
        Further arguments of `xpmlp.grid.tune`.

    Returns
    -------
    exit_status : int
        0, or 130 or 143 if Ctrl-C or SIGTERM has interrupted it.
    """
    watching: Any = nullcontext(TuningReporter()) if quiet else ShownTuning(sys.stdout, len(settings_of(config)))
    with stop_on_signals(quiet) as stop, watching as reporter:
        result = tune(config, folder, **how, reporter=reporter, should_stop=stop.requested)
        if result is None:
            lines: Iterable[str] = [
                "trials saved; continue with the same command and --resume, or train with the best settings so far: "
                f"`xpmlp train {folder / FOLDER / BEST}`"
            ]
            status = stop.exit_status
        else:
            lines = summary(result, reporter, config)
            status = stop.exit_status if result.run.status is Status.INTERRUPTED else 0
    print_lines(() if quiet else lines)
    if result is not None and not status:
        draw_page(config, folder, quiet=quiet)
    return status


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in settings.items())

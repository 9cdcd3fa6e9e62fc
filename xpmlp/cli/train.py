"""Progress and summary of a training, of one run or of a grid, on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer

from xpmlp._text import printable
from xpmlp.cli.grid import ShownGrid, grid_summary
from xpmlp.cli.interrupt import stop_on_signals
from xpmlp.cli.options import teller
from xpmlp.cli.progress import ShownRun
from xpmlp.cli.streams import print_lines
from xpmlp.config import Config
from xpmlp.errors import XpmlpError
from xpmlp.grid import GridReporter, train_grid
from xpmlp.nn import metric_names
from xpmlp.training import Reporter, Result, Status, train
from xpmlp.training.vote import settings_of, with_folds_for


def run(config: Config, folder: Path, *, quiet: bool, **how: Any) -> int:
    """Train, showing the progress, and print a summary of the result.

    Parameters
    ----------
    config : Config
    folder : Path
    quiet : bool
    **how
        Further arguments of `xpmlp.train` or `xpmlp.train_grid`.

    Returns
    -------
    exit_status : int
        0, or 130 or 143 if Ctrl-C or SIGTERM has interrupted it.
    """
    watching: Any
    if config.grid.is_grid:
        watching = nullcontext(GridReporter()) if quiet else ShownGrid(sys.stdout)
    else:
        watching = nullcontext(Reporter()) if quiet else ShownRun(sys.stdout, len(settings_of(config)))
    with stop_on_signals(quiet) as stop, watching as reporter:
        told = {"reporter": reporter, "should_stop": stop.requested}
        if config.grid.is_grid:
            lines, status = grid_summary(train_grid(config, folder, **how, **told)), stop.exit_status
        else:
            result = train(config, folder, **how, **told)
            lines = summary(result, reporter, config)
            status = stop.exit_status if result.run.status is Status.INTERRUPTED else 0
    print_lines(() if quiet else lines)
    if not status:
        draw_page(config, folder, quiet=quiet, allow_code=how.get("allow_code", False))
    return status


def draw_page(config: Config, folder: Path, *, quiet: bool, allow_code: bool = False) -> None:
    """Write the page if ``[output]`` asks for it; a failure is only reported, since the training is complete."""
    if not config.output.page:
        return
    from xpmlp.pages import write_page

    tell = teller(quiet, "page: ")
    try:
        path = write_page(folder, run="best" if config.grid.is_grid else None, allow_code=allow_code, tell=tell)
    except (XpmlpError, ArithmeticError, LookupError, MemoryError, OSError, TypeError, ValueError) as error:
        why = f"{error}".rstrip(".") or type(error).__name__
        sentence = f"warning: the page was not written: {why}; the training is whole, try `xpmlp page {folder}`."
        typer.echo(printable(sentence), err=True)
    else:
        print_lines(() if quiet else [f"its page: {path}"])


def _beside(result: Result, reporter: Reporter, config: Config) -> Iterator[str]:
    """Compare the score of a table with the two baselines."""
    dataset = getattr(reporter, "dataset", None)
    if dataset is None or dataset.table is None or result.run.status is Status.INTERRUPTED:
        return
    from xpmlp.cli.table import free_scores, out_of_fold_score
    from xpmlp.data.folds import fold_numbers

    run, train = result.run, with_folds_for(config, len(dataset.train)).train
    if run.test is None and result.out_of_fold is not None and train.folds is not None:
        folds = fold_numbers(dataset.train.targets, train.folds, config.data.seed, dataset.groups)
        yield from free_scores(dataset, out_of_fold_score(result, dataset), folds)
        return
    score = run.test.value if run.test is not None else run.epochs[run.best_epoch - 1].validation_value
    if score is not None:
        yield from free_scores(dataset, score)


def summary(result: Result, reporter: Reporter, config: Config) -> Iterator[str]:
    """Yield the last lines: how the training ended, the test score, the run folder, and a table's baselines."""
    run, output = result.run, config.output
    if run.status is Status.INTERRUPTED:
        kept = f"progress saved; continue with `xpmlp resume {result.run_dir}`"
        if output.checkpoint_every is None:
            kept = 'progress saved, but it cannot be continued: output.checkpoint_every = "none"'
        yield f"interrupted after {len(run.epochs)} whole epochs and {run.steps:,} steps; {kept}"
    if run.status is Status.STOPPED_EARLY:
        best = f"best weights, of epoch {run.best_epoch}," if run.best_epoch else "best weights of each network"
        yield f"stopped early after epoch {len(run.epochs)}; the {best} are kept"
    if run.test is not None:
        yield f"test {metric_names[run.metric]} {run.test.value:.4f}, test loss {run.test.loss:.4f}"
    drawn = output.plots and result.run_dir is not None and (result.run_dir / "loss.png").is_file()
    curves = f"; its curves are {result.run_dir}/loss.png and epochs.png" if drawn else ""
    yield f"run folder: {result.run_dir}{curves}"
    yield from _beside(result, reporter, config)

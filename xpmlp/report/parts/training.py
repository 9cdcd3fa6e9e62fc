"""Training within a part: into its folder, and interrupted with it when the user wants to stop."""

from __future__ import annotations

from xpmlp.config import Config
from xpmlp.errors import DivergenceError
from xpmlp.grid import GridResult, train_grid
from xpmlp.report.configs import report_config
from xpmlp.report.part import Interrupted, PartInputs
from xpmlp.training import Result, Status, train

RUN = "run"
"""Run folder within a part's folder."""


def train_run(work: PartInputs, config: Config) -> Result:
    """Train one network.

    Raises
    ------
    Interrupted
        If it was asked to stop.
    XpmlpError
        As `xpmlp.train`.
    """
    result = train(config, work.folder / RUN, reporter=work.reporter, should_stop=work.should_stop)
    if result.run.status is Status.INTERRUPTED:
        raise Interrupted
    return result


def divergence(work: PartInputs, what: str) -> DivergenceError:
    """Return the error of a part without results, since ``what`` has diverged."""
    file = report_config(work.settings.name)
    return DivergenceError(f"{what} diverged, so that there is nothing to show: try a lower learning rate in {file}.")


def train_runs(work: PartInputs, config: Config) -> GridResult:
    """Train a grid of networks.

    Raises
    ------
    Interrupted
        If it was asked to stop.
    XpmlpError
        As `xpmlp.train_grid`.
    """
    result = train_grid(config, work.folder / RUN, reporter=work.reporter, should_stop=work.should_stop)
    if work.should_stop() or any(run.status is Status.INTERRUPTED for run in result.runs):
        raise Interrupted
    return result

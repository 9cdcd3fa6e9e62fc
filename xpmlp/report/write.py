"""`write_report`: the whole page, from scratch or from the finished parts of an interrupted report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from xpmlp._files import write_text
from xpmlp._paths import given_path
from xpmlp.backend import backends
from xpmlp.errors import RunFolderError
from xpmlp.plots import import_matplotlib
from xpmlp.report.comparison import Comparison
from xpmlp.report.html import html
from xpmlp.report.markdown import markdown
from xpmlp.report.page import make_page
from xpmlp.report.part import FinishedPart
from xpmlp.report.parts import COMPUTING_ORDER, PARTS, named_parts
from xpmlp.report.schedule import PartSchedule, ReportReporter
from xpmlp.storage.run_folder import as_run_folder_errors, locked

MARK = "report.json"
"""File that marks a folder as a report's: only in such folders are files replaced."""


class Report(NamedTuple):
    """Written report.

    Attributes
    ----------
    page : Path
        The HTML file.
    done : dict of FinishedPart
        All parts on the page, by name.
    comparisons : list of Comparison
    """

    page: Path
    done: dict[str, FinishedPart]
    comparisons: list[Comparison]


def write_report(
    out: str | Path,
    *,
    only: Sequence[str] | None = None,
    quick: bool = False,
    backend: str | None = None,
    allow_code: bool = False,
    reporter: ReportReporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Compute the missing parts of the report in a folder, and write its page.

    Parameters
    ----------
    out : path
        A folder that is empty, new, or a report's.
    only : sequence of str, optional
        Names of parts to compute, with their needs.  The page shows all finished parts.
    quick : bool
        Compute the small version.
    backend : str, optional
        Backend for all parts except those in plain Python, instead of their configs' own.
    allow_code : bool
        Import a backend named as ``module:object``.
    reporter : ReportReporter, optional
    should_stop : () -> bool

    Returns
    -------
    report : Report

    Raises
    ------
    ConfigError, BackendError, DataError
        If there is no such part, a config is not valid for its part, or the backend or the data are not available.
    DivergenceError
        If a training diverges, so that its part has nothing to show.
    XpmlpError
        If the process of a part dies.
    RunFolderError
        If the folder has other contents, is in use, or cannot be written to.
    PlotError
        If matplotlib cannot be used.
    Interrupted
        If it was asked to stop.  Finished parts are kept, and the same call continues from there.
    """
    names = [part.name for part in named_parts(None if only is None else list(only))]
    folder = given_path(out)
    backends.admit(backend or "", "--backend", allow_code=allow_code)
    schedule = PartSchedule(COMPUTING_ORDER, folder, quick=quick, backend=backend)
    import_matplotlib()  # before anything is computed
    _claim(folder)
    with locked(folder), as_run_folder_errors(folder):
        schedule.run(names, reporter or ReportReporter(), should_stop)
        done = schedule.finished()
        page, comparisons = make_page(PARTS, done, folder, quick=quick, backend=schedule.backend_in_words)
        write_text(folder / "report.md", markdown(page))
        write_text(folder / "report.html", html(page))
    return Report(folder / "report.html", done, comparisons)


def _claim(folder: Path) -> None:
    """Create the folder if it is missing, and mark it as a report's.

    Raises
    ------
    RunFolderError
        If it has other contents, is not a folder, or cannot be written to.
    """
    with as_run_folder_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"{folder} is a file, not a folder: choose another with --out.")
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MARK).is_file():
            if any(folder.iterdir()):
                raise RunFolderError(
                    f"the folder {folder} is not empty, and is not a report's: choose another with --out."
                )
            write_text(folder / MARK, json.dumps({"program": "xpmlp report"}) + "\n")

"""``xpmlp compare``: which of several runs is better, and whether by more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from xpmlp._paths import given_path
from xpmlp.cli.options import AllowCode, Quiet, file_option, teller


def compare(
    run_dirs: Annotated[
        list[Path],
        typer.Argument(
            parser=given_path,
            metavar="RUN_DIR...",
            help="Run folders written by `xpmlp train`, of single runs or grids.",
        ),
    ],
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="The part of the data [default: test, or validation if there is none]."),
    ] = None,
    out: Annotated[Path | None, file_option("--out", "FILE", "Also write an HTML page, with the curves.")] = None,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Compare runs: their settings, their scores, and whether the differences may be chance.

    Each run is compared with the first one, or with the best one of a single grid, by a paired test on the same
    examples. Runs with other examples are listed without a test.

    Examples: `xpmlp compare runs/a runs/b --out compare.html`, `xpmlp compare runs/grid`.
    """
    from xpmlp.cli.compare import lines_of
    from xpmlp.cli.streams import print_lines
    from xpmlp.pages import compare, write_comparison
    from xpmlp.pages.comparison_page import check_output

    if out is not None:
        check_output(out, run_dirs)
    comparison = compare(run_dirs, split, allow_code=allow_code, tell=teller(quiet))
    if out is not None:
        write_comparison(comparison, out)
    if not quiet:
        print_lines([*lines_of(comparison), *([] if out is None else [f"page: {out}"])])

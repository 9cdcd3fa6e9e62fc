"""``xpmlp predict``: classes or values for new examples."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from xpmlp._paths import given_path
from xpmlp._text import printable
from xpmlp.cli.options import (
    AllowCode,
    BackendName,
    DeviceName,
    Overrides,
    RunDir,
    RunNumber,
    file_option,
    overriding,
    split_names,
)
from xpmlp.errors import ConfigError


def predict(
    run_dir: RunDir,
    source: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="INPUT",
            help="Examples: a .npy, .npz, .csv or IDX file (.gz or not); any table, if the network was trained on one.",
        ),
    ],
    output: Annotated[Path, file_option("--output", "FILE", "The file to write: .csv or .npy.", "-o")],
    run: RunNumber = None,
    backend: BackendName = None,
    device: DeviceName = None,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="NAMES",
            help="Columns to copy to the output (tables), where a prediction of that name becomes `predicted NAME`.",
        ),
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take missing columns for missing values (tables).")
    ] = False,
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold",
            metavar="HOW",
            help="The probability above which the second class is chosen; or costs by class.",
        ),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            metavar="COVERAGE",
            help="Also write intervals around values with this coverage, such as 0.9: lower, upper.",
        ),
    ] = None,
) -> None:
    """Predict classes and probabilities, or values, for the examples in INPUT with the network in RUN_DIR.

    INPUT has the same features as the training data; the run's preprocessing is applied to them. Columns are matched
    by name, and further ones are ignored.

    Example: `xpmlp predict runs/mnist t10k-images-idx3-ubyte.gz --output digits.csv`.
    """
    from xpmlp.config import parse_override
    from xpmlp.training import predict_file
    from xpmlp.training.table_prediction import TablePrediction

    values = overriding(overrides)
    rule: Any = threshold
    with suppress(ConfigError):  # no value of TOML: refused as a rule
        rule = None if threshold is None else parse_override(f"threshold={threshold}")[1]
    prediction = predict_file(
        run_dir,
        source,
        output,
        run=run,
        backend=backend,
        device=device,
        overrides=values,
        allow_code=allow_code,
        keep=split_names(keep) or (),
        allow_missing=allow_missing,
        interval=interval,
        threshold=rule,
    )
    rows = prediction.rows if isinstance(prediction, TablePrediction) else len(prediction.decided)
    for note in prediction.notes if isinstance(prediction, TablePrediction) else ():
        typer.echo(printable(note))
    typer.echo(printable(f"{rows:,} predictions in {output}"))

"""The commands of ``xpmlp`` and their options.  What they need is imported when they run, so that help is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from xpmlp._paths import given_path
from xpmlp._text import printable

app = typer.Typer(
    name="xpmlp",
    help="Train multilayer perceptrons on NumPy, CuPy, PyTorch or JAX: a config file says what, on what data, and "
    "where.\n\nBegin with `xpmlp train configs/quickstart.toml`, which needs no download.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(
    name="config", help="Look at configs: the schema for editors, or one resolved.", no_args_is_help=True
)
data_app = typer.Typer(name="data", help="See which data sets are here, and fetch them.", no_args_is_help=True)
app.add_typer(config_app)
app.add_typer(data_app)

ConfigFile = Annotated[
    Path,
    typer.Argument(parser=given_path, metavar="CONFIG", help="A TOML file, for example configs/quickstart.toml."),
]
RunDir = Annotated[
    Path, typer.Argument(parser=given_path, metavar="RUN_DIR", help="A folder that `xpmlp train` has written.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Replace a value of the config, as `--set train.epochs=1`; repeatable."
    ),
]
BackendName = Annotated[
    str | None, typer.Option("--backend", metavar="NAME", help="auto, or one that `xpmlp backends` lists.")
]


def _find_code_here(allowed: bool) -> bool:
    """Have Python look for modules in the working directory, too, once it is through with all other places."""
    if allowed:
        sys.path.append(str(Path.cwd()))
    return allowed


AllowCode = Annotated[
    bool,
    typer.Option(
        "--allow-code",
        callback=_find_code_here,
        help="Import the code that the config names as `module:object`, from the working directory or PYTHONPATH.",
    ),
]
RunNumber = Annotated[
    str | None, typer.Option("--run", metavar="K", help="Which run of a grid: its number, or `best`.")
]
Force = Annotated[bool, typer.Option("--force", help="Resume even with another config or other data than before.")]
DeviceName = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="As the library names it: cpu, cuda:0, mps ...")
]


def _version(wanted: bool) -> None:
    if wanted:
        import xpmlp

        typer.echo(f"xpmlp {xpmlp.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _option(name: str, metavar: str, what: str) -> Any:
    return typer.Option(name, metavar=metavar, help=f"{what} (tables)")


Target = Annotated[str | None, _option("--target", "NAME", "The column to predict, or several with commas between")]
Types = Annotated[str | None, _option("--types", "KINDS", "Kinds, as `zip=category,size=small<medium<large`")]
Separator = Annotated[str | None, _option("--separator", "C", "What is between fields of a CSV file")]
Decimal = Annotated[str | None, _option("--decimal", "C", "The sign before a fraction, . or ,")]
Encoding = Annotated[str | None, _option("--encoding", "NAME", "The encoding of a CSV file, as cp1250")]
Quote = Annotated[str | None, _option("--quote", "C", "What is around fields of a CSV file")]
Comment = Annotated[str | None, _option("--comment", "C", "How lines of a CSV file begin that are comments")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether a CSV file's first line names the columns (tables)")
]


@app.command()
def train(
    config: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="CONFIG|TABLE",
            help="A TOML file, as configs/quickstart.toml; or a table: CSV, packed or not, Parquet, Arrow, Excel.",
        ),
    ],
    overrides: Overrides = None,
    target: Target = None,
    features: Annotated[str | None, _option("--features", "NAMES", "The columns to learn from [default: all]")] = None,
    drop: Annotated[str | None, _option("--drop", "NAMES", "Columns to leave out")] = None,
    weights: Annotated[str | None, _option("--weights", "NAME", "The column that says how much a row counts")] = None,
    group: Annotated[
        str | None, _option("--group", "NAME", "The column of groups that are never on both sides of a split")
    ] = None,
    time: Annotated[
        str | None, _option("--time", "NAME", "The column by which the newest rows are the test part")
    ] = None,
    test: Annotated[
        str | None, _option("--test", "FILE", "A file with the test part; 0: no test part, to train on all rows")
    ] = None,
    validation: Annotated[Path | None, _option("--validation", "FILE", "A file with the validation part")] = None,
    class_weight: Annotated[
        str | None, _option("--class-weight", "HOW", "balanced: all classes count the same in total")
    ] = None,
    types: Types = None,
    task: Annotated[str | None, _option("--task", "TASK", "classes or values [default: found out]")] = None,
    start: Annotated[
        Path | None, _option("--from", "RUN_DIR", "Go on with the network of a run, on the rows of another table")
    ] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    quote: Quote = None,
    comment: Comment = None,
    header: Header = None,
    backend: BackendName = None,
    device: DeviceName = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=given_path, metavar="DIR", help="The run folder [default: `runs/<config name>`]."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run that is in the folder.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in the folder, if one was begun there.")
    ] = False,
    force: Force = False,
    allow_code: AllowCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train the network that CONFIG describes, or all runs of its [grid], or one for a TABLE, and write a run folder.

    The folder has the curves, all numbers and the weights. Of a table the kinds of the columns are found out and shown.

    Ctrl-C finishes the current stretch of steps, writes what there is and exits with status 130; SIGTERM likewise
    with 143. `--resume` goes on from there, or from the last checkpoint of a training that was killed.

    Examples: `xpmlp train titanic.csv --target survived`, `xpmlp train configs/quickstart.toml`, `xpmlp train
    configs/mnist.toml --backend torch --set train.epochs=1`.
    """
    from xpmlp.cli.table import config_of, going_on_config, is_table, values_of
    from xpmlp.config import load_config, unused_settings

    table: dict[str, Any] = {
        "target": target,
        "features": features,
        "drop": drop,
        "weights": weights,
        "group": group,
        "time": time,
    }
    table |= {"test": test, "validation": validation, "class_weight": class_weight, "types": types, "task": task}
    table |= {"separator": separator, "decimal": decimal, "encoding": encoding, "quote": quote, "comment": comment}
    values = _placed(values_of(table | {"header": header}, overrides), backend, device)
    if start is not None:
        from xpmlp.storage import load_network

        loaded, said = going_on_config(start, config, values)
        if not quiet:
            typer.echo(printable(said))
        network = load_network(start / "weights.safetensors")
    else:
        loaded, network = config_of(config, values) if is_table(config) else load_config(config, values), None
    for sentence in unused_settings(loaded):
        typer.echo(printable(f"warning: {sentence}"), err=True)
    folder = out or loaded.output.folder / loaded.name
    raise typer.Exit(
        _train(
            loaded,
            folder,
            overwrite=overwrite,
            resume=resume,
            force=force,
            allow_code=allow_code,
            quiet=quiet,
            **({} if network is None else {"start": network}),
        )
    )


@app.command()
def resume(
    run_dir: RunDir,
    overrides: Overrides = None,
    backend: BackendName = None,
    device: DeviceName = None,
    force: Force = False,
    allow_code: AllowCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Go on with the training in RUN_DIR, as `xpmlp train --resume` with the config that it was begun with.

    It ends with the same bits as if it had never been interrupted. A training that was finished goes on if it is
    given more epochs.

    Examples: `xpmlp resume runs/mnist`, `xpmlp resume runs/mnist --set train.epochs=20`.
    """
    loaded = _load(run_dir / "config.toml", overrides, backend, device).named(run_dir.resolve().name)
    raise typer.Exit(
        _train(loaded, run_dir, overwrite=False, resume=True, force=force, allow_code=allow_code, quiet=quiet)
    )


@app.command()
def evaluate(
    run_dir: RunDir,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option("--split", help="Which part of the data [default: the part that training held out]."),
    ] = None,
    run: RunNumber = None,
    backend: BackendName = None,
    device: DeviceName = None,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
) -> None:
    """Evaluate the network of RUN_DIR on a part of its data set, on any backend.

    Data that have moved are named with `--set data.path=FILE`. Columns are matched by name.

    Example: `xpmlp evaluate runs/mnist --split test`.
    """
    from xpmlp.nn import metric_names
    from xpmlp.training import evaluate as evaluate_run

    values = _overrides(overrides)
    place = {"backend": backend, "device": device}
    result = evaluate_run(run_dir, split, run=run, **place, overrides=values, allow_code=allow_code)
    typer.echo(
        f"{result.split}: loss {result.score.loss:.6f}, {metric_names[result.metric]} {result.score.value:.4f} "
        f"({result.examples:,} examples, {result.backend.name} on {result.backend.device_name})"
    )


@app.command()
def predict(
    run_dir: RunDir,
    source: Annotated[
        Path,
        typer.Argument(
            parser=given_path,
            metavar="INPUT",
            help="Examples: a .npy, .npz, .csv or IDX file (.gz or not); for a network of a table, any table.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", parser=given_path, metavar="FILE", help="Where to write: a .csv or .npy file."),
    ],
    run: RunNumber = None,
    backend: BackendName = None,
    device: DeviceName = None,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="NAMES", help="Columns that are carried over (tables).")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Take columns that are missing for gaps (tables).")
    ] = False,
) -> None:
    """Predict classes and probabilities, or values, for the examples in INPUT with the network of RUN_DIR.

    INPUT has the features as the training data had them; what the run did to them is done again. Columns are matched
    by name, and others are left out.

    Example: `xpmlp predict runs/mnist t10k-images-idx3-ubyte.gz --output digits.csv`.
    """
    from xpmlp.training import predict_file
    from xpmlp.training.table_prediction import TablePrediction

    values = _overrides(overrides)
    prediction = predict_file(
        run_dir,
        source,
        output,
        run=run,
        backend=backend,
        device=device,
        overrides=values,
        allow_code=allow_code,
        keep=[name.strip() for name in (keep or "").split(",") if name.strip()],
        allow_missing=allow_missing,
    )
    if isinstance(prediction, TablePrediction):
        for note in prediction.notes:
            typer.echo(printable(note))
        typer.echo(printable(f"{prediction.rows:,} predictions in {output}"))
    else:
        typer.echo(printable(f"{len(prediction.decided):,} predictions in {output}"))


@app.command()
def report(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=given_path,
            metavar="DIR",
            help="The report's folder [default: runs/report, with --quick runs/report-quick].",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="PARTS", help="Some of its parts, as `table1,figure3`, with what they need."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A small version in under a minute, without MNIST; not comparable.")
    ] = False,
    backend: BackendName = None,
    allow_code: AllowCode = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Recompute every table and figure of the coursework report, and write them as one page beside its figures.

    Finished parts are kept: after Ctrl-C (exit status 130) the same command computes those that are missing.

    Examples: `xpmlp report --quick`, `xpmlp report --out runs/report --only table1,figure3`.
    """
    from xpmlp.cli.report import run

    folder = out or Path("runs/report-quick" if quick else "runs/report")
    raise typer.Exit(run(folder, only=only, quick=quick, backend=backend, allow_code=allow_code, quiet=quiet))


@app.command()
def bench(
    config: ConfigFile,
    overrides: Overrides = None,
    backends: Annotated[
        str | None,
        typer.Option("--backends", metavar="NAMES", help="Some of them, as `numpy,torch` [default: all here]."),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="N", help="The length of each measurement, after a warm-up.")
    ] = 3.0,
    allow_code: AllowCode = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", parser=given_path, metavar="FILE", help="Write the figures, as JSON, to this file, too."),
    ] = None,
) -> None:
    """Measure how fast the training that CONFIG describes goes on each backend, and say which one to use.

    Each backend is measured on the CPU and on its first GPU, in a process of its own.

    Example: `xpmlp bench configs/mnist.toml --backends numpy,torch --seconds 5`.
    """
    from xpmlp.cli.bench import run

    loaded = _load(config, overrides, None, None)
    raise typer.Exit(run(loaded, backends=backends, seconds=seconds, allow_code=allow_code, out=out))


@app.command()
def verify(
    config: ConfigFile,
    backends: Annotated[
        str,
        typer.Option("--backends", metavar="NAMES", help="Which, as `numpy,torch,jax` or `numpy,torch:cuda:1`."),
    ],
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="How many training steps.")] = 100,
    dtype: Annotated[
        Literal["float32", "float64"] | None, typer.Option("--dtype", help="One of the two [default: both].")
    ] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Compare with the float64 reference, not with the first backend; one backend alone always is.",
        ),
    ] = False,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=given_path, metavar="DIR", help="For the files [default: `runs/verify/<config name>`]."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Prove that backends train CONFIG as the textbook says, and alike: from the same weights, on the same batches.

    A step is held against an independent reference in float64, the reference against finite differences, and the
    backends against the first. Writes verify.json and verify.png. What differs ends with exit status 1 and the name of
    the first quantity that does.

    Example: `xpmlp verify configs/mnist.toml --backends numpy,torch,jax`.
    """
    from xpmlp.cli.verify import run

    loaded = _load(config, overrides, None, None)
    folder = out or loaded.output.folder / "verify" / loaded.name
    how = {"reference": reference, "allow_code": allow_code, "quiet": quiet}
    raise typer.Exit(run(loaded, folder, backends=backends, steps=steps, dtype=dtype, **how))


@app.command()
def backends() -> None:
    """Say which array libraries can be used here, on which devices, or why not."""
    from xpmlp.backend import LISTED, probe
    from xpmlp.cli.columns import aligned

    rows = [
        (report.name, report.version or "-", _yes_or_no(report.float64), ", ".join(report.devices))
        if report.problem is None
        else (report.name, report.version or "-", "-", f"not usable: {report.problem}")
        for report in map(probe, LISTED)
    ]
    typer.echo(aligned(("backend", "version", "float64", "devices"), rows))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of config files: with it an editor completes and checks them."""
    from xpmlp.config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@config_app.command("show")
def config_show(
    config: ConfigFile, overrides: Overrides = None, backend: BackendName = None, device: DeviceName = None
) -> None:
    """Print CONFIG with everything that it extends, all defaults and the overrides filled in."""
    typer.echo(printable(_load(config, overrides, backend, device).to_toml()), nl=False)


@data_app.command("list")
def data_list() -> None:
    """List the data sets: what they are, and where they were found or would have to be put."""
    from xpmlp.cli.columns import aligned
    from xpmlp.data import list_sets

    typer.echo(printable(aligned(("data set", "what it is", "where"), list_sets())))


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist or fashion-mnist.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Download a data set into the cache, if it is not on this machine yet, check it, and print where it is."""
    from xpmlp.data import fetch

    typer.echo(printable(str(fetch(name, quiet=quiet))))


def _train(config: Any, folder: Path, **how: Any) -> int:
    """Train one run or a grid, and give the exit status."""
    if config.grid.is_grid:
        from xpmlp.cli.grid import run
    else:
        from xpmlp.cli.train import run
    return run(config, folder, **how)


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _overrides(texts: list[str] | None) -> dict[str, Any]:
    """The arguments of ``--set`` as values by dotted key."""
    from xpmlp.config import parse_override

    return dict(map(parse_override, texts or []))


def _load(config: Path, overrides: list[str] | None, backend: str | None, device: str | None) -> Any:
    """The config of a command, with its overrides; another backend does not inherit the config's device."""
    from xpmlp.config import load_config

    return load_config(config, _placed(_overrides(overrides), backend, device))


def _placed(values: dict[str, Any], backend: str | None, device: str | None) -> dict[str, Any]:
    """Values by dotted key, with the place where to compute; another backend does not inherit the config's device."""
    if backend is not None:
        values |= {"backend.name": backend, "backend.device": "none"}
    if device is not None:
        values["backend.device"] = device
    return values

"""``xpmlp evaluate``: the score of a trained network on a part of its data."""

from __future__ import annotations

import typer

from xpmlp.cli.options import AllowCode, BackendName, DeviceName, Overrides, RunDir, RunNumber, Split, overriding


def evaluate(
    run_dir: RunDir,
    split: Split = None,
    run: RunNumber = None,
    backend: BackendName = None,
    device: DeviceName = None,
    overrides: Overrides = None,
    allow_code: AllowCode = False,
) -> None:
    """Evaluate the network in RUN_DIR on a part of its data set, on any backend.

    If the data have moved, give their new place with `--set data.path=FILE`. Columns are matched by name.

    Example: `xpmlp evaluate runs/mnist --split test`.
    """
    from xpmlp.nn import metric_names
    from xpmlp.training import evaluate

    values = overriding(overrides)
    result = evaluate(run_dir, split, run=run, backend=backend, device=device, overrides=values, allow_code=allow_code)
    typer.echo(
        f"{result.split}: loss {result.score.loss:.6f}, {metric_names[result.metric]} {result.score.value:.4f} "
        f"({result.examples:,} examples, {result.backend.name} on {result.backend.device_name})"
    )

"""``xpmlp resume``: continue an interrupted training."""

from __future__ import annotations

import typer

from xpmlp.cli.options import AllowCode, BackendName, DeviceName, Force, Overrides, Quiet, RunDir, load


def resume(
    run_dir: RunDir,
    overrides: Overrides = None,
    backend: BackendName = None,
    device: DeviceName = None,
    force: Force = False,
    allow_code: AllowCode = False,
    quiet: Quiet = False,
) -> None:
    """Continue the training in RUN_DIR, like `xpmlp train --resume` with its original config.

    The result has the same bits as if the training had never been interrupted. A finished training continues if it is
    given more epochs.

    Examples: `xpmlp resume runs/mnist`, `xpmlp resume runs/mnist --set train.epochs=20`.
    """
    from xpmlp.cli.train import run

    loaded = load(run_dir / "config.toml", overrides, backend, device).named(run_dir.resolve().name)
    raise typer.Exit(run(loaded, run_dir, quiet=quiet, resume=True, force=force, allow_code=allow_code))

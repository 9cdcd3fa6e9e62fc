"""``xpmlp resume``: go on with a training that was interrupted."""

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
    """Go on with the training in RUN_DIR, as `xpmlp train --resume` with the config that it was begun with.

    It ends with the same bits as if it had never been interrupted. A training that was finished goes on if it is
    given more epochs.

    Examples: `xpmlp resume runs/mnist`, `xpmlp resume runs/mnist --set train.epochs=20`.
    """
    from xpmlp.cli.train import run

    loaded = load(run_dir / "config.toml", overrides, backend, device).named(run_dir.resolve().name)
    raise typer.Exit(run(loaded, run_dir, quiet=quiet, resume=True, force=force, allow_code=allow_code))

"""Files of a verification: ``verify.json``, all figures; and ``verify.png``, the differences by step."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import stat
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from xpmlp._files import check_writable, write_text
from xpmlp._version import __version__
from xpmlp.backend import DTypeName
from xpmlp.errors import PlotError, RunFolderError
from xpmlp.plots import ParityCurve, draw, parity_figure
from xpmlp.storage.run_folder import as_run_folder_errors
from xpmlp.verify.comparison import REFERENCE
from xpmlp.verify.quantities import Quantity
from xpmlp.verify.run import Verification
from xpmlp.verify.tolerances import FINITE_DIFFERENCES, TOLERANCES, tolerance
from xpmlp.verify.trial import Trial

FILES = ("verify.json", "verify.png")


def check_folder(folder: Path) -> None:
    """Check that the folder can be written before anything is computed; creates nothing.

    Raises
    ------
    RunFolderError
        If its name is too long, it cannot be accessed or written to, or it is a file.
    """
    with as_run_folder_errors(folder):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(folder.stat().st_mode):
                raise RunFolderError(f"{folder} is a file, not a folder: choose another with --out.")
        check_writable(folder / FILES[0], makes_folders=True)


def write_files(result: Verification, folder: Path, note: Callable[[str], None]) -> list[Path]:
    """Write ``verify.json`` and, unless the config disables plots or there is nothing to draw, ``verify.png``.

    Parameters
    ----------
    result : Verification
    folder : Path
    note : (sentence) -> None
        Called if matplotlib cannot be used; ``verify.png`` is then left out.

    Returns
    -------
    files : list of Path
        The written ones.

    Raises
    ------
    RunFolderError
        If the folder cannot be created or written to.
    """
    with as_run_folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        numbers, drawing = (folder / name for name in FILES)
        write_text(numbers, json.dumps(_finite(to_json(result)), indent=2) + "\n")
        drawing.unlink(missing_ok=True)  # from an earlier verification
        if result.trial.config.output.plots and result.curves:
            try:
                return [numbers, _draw(result, drawing)]
            except PlotError as error:
                note(str(error))
        return [numbers]


def to_json(result: Verification) -> dict[str, Any]:
    """Return all figures in JSON's types."""
    trial = result.trial
    return {
        "passed": result.failure is None,
        "failure": result.failure,
        "config": trial.config.name,
        "layer_sizes": trial.network.sizes,
        "activations": list(trial.network.hidden),
        "loss": trial.network.loss.name,
        "optimizer": trial.config.train.optimizer,
        "batch_size": trial.batch_size,
        "steps": trial.steps,
        "data": {"name": trial.dataset.name, "sha256": trial.dataset.hashes},
        "versions": {"xpmlp": __version__, "python": platform.python_version()},
        "machine": {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()},
        "tolerances": {
            "finite_differences": FINITE_DIFFERENCES,
            **{dtype: allowed._asdict() for dtype, allowed in TOLERANCES.items()},
        },
        "finite_differences": [
            {"layer": name.label, **dict(zip(name.parts, errors, strict=True))}
            for name, errors in zip(trial.names, result.finite_differences, strict=True)
        ],
        "backends": [asdict(one) | {"full_products": one.full_products} for one in result.participants],
        "unsupported": [
            {"label": label, "dtype": dtype, "reason": reason} for label, dtype, reason in result.unsupported
        ],
        "differences": [
            one._asdict() | {"quantity": str(one.quantity), "passed": one.passed} for one in result.differences
        ],
        "curves": [asdict(curve) for curve in result.curves],
    }


def _finite(value: Any) -> Any:
    """Replace infinities and NaN, not representable in JSON, by text."""
    match value:
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list():
            return [_finite(one) for one in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def _draw(result: Verification, path: Path) -> Path:
    trial = result.trial
    steps = range(1, trial.steps + 1)
    panels: dict[str, list[ParityCurve]] = defaultdict(list)
    for curve in result.curves:
        panels["loss"].append(ParityCurve(curve.label, curve.dtype, steps, curve.loss))
        panels["weights"].append(
            ParityCurve(curve.label, curve.dtype, list(curve.weights), list(curve.weights.values()))
        )
    judged = {one.dtype for one in result.differences if one.step == trial.steps and one.tolerance is not None}
    limits = {panel: [_limit(trial, dtype, panel) for dtype in sorted(judged)] for panel in panels}
    sizes = "-".join(map(str, trial.network.sizes))
    heading = f"{trial.config.name}: {sizes}, {trial.config.train.optimizer}, batches of {trial.batch_size}"
    base = result.curves[0].base
    base = "the reference" if base == REFERENCE else base
    draw(lambda: parity_figure(panels, limits, heading, base), path)
    return path


def _limit(trial: Trial, dtype: DTypeName, panel: str) -> ParityCurve:
    steps = range(1, trial.steps + 1)
    allowed = [tolerance(dtype, trial.config.train.optimizer, Quantity(panel), step) for step in steps]
    return ParityCurve("", dtype, steps, allowed)

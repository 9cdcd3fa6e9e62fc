"""Export of a run's network to another format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, NamedTuple

from xpmlp._files import check_writable, refuse_overwriting, write_text
from xpmlp._paths import os_errors_as
from xpmlp.errors import RunFolderError
from xpmlp.export.onnx_model import write_onnx
from xpmlp.export.torch_code import MARK, torch_state
from xpmlp.storage import run_folder
from xpmlp.storage.sealed import write_arrays

Format = Literal["onnx", "torch"]

NAMES = run_folder.EXPORTS
"""Default names of the files in a run's folder."""

IMPORTED = sys.stdlib_module_names | {"numpy", "safetensors", "torch", "typing_extensions"}
"""Modules that the code for PyTorch may import, also through others: a file of such a name would take their place."""


class Exported(NamedTuple):
    """Files of an export.

    Attributes
    ----------
    files : tuple of Path
    code : str
        The Python code that loads it, also in the last file; "" for ONNX.
    """

    files: tuple[Path, ...]
    code: str = ""


def export_run(
    run_dir: Path, form: Format, *, out: Path | None = None, run: str | int | None = None, allow_code: bool = False
) -> Exported:
    """Export the network of a run for other programs, each file whole or not at all.

    Parameters
    ----------
    run_dir : Path
    form : "onnx" or "torch"
        A model from raw columns to labels and probabilities, or values; or a state_dict in a safetensors file, and
        beside it the Python code that loads it and computes the outputs, in a file of the same name ending in ``.py``.
    out : Path, optional
        By default `NAMES` in the run's folder.
    run : int or "best", optional
        The run of a grid.
    allow_code : bool
        As for `xpmlp.predict`.

    Raises
    ------
    XpmlpError
        If the run cannot be read, a part of its network cannot be expressed in the format, onnx is not installed, or
        a file would replace an input file or code from elsewhere, hide a module that the code imports, or cannot be
        written.
    """
    config, saved = run_folder.read(run_dir, run, allow_code=allow_code)
    folder = run_folder.member_folder(run_dir, run)
    target = folder / NAMES[form] if out is None else out
    beside = target.with_suffix(".py")
    files = (target,) if form == "onnx" else (target, beside)
    if form == "torch" and target == beside:
        raise RunFolderError(f"the output {target} ends in .py, as the code that is written beside it: choose another.")
    if form == "torch" and beside.stem in IMPORTED:
        raise RunFolderError(
            f"the output {target} has its code in {beside.name} beside it, which would hide the module {beside.stem} "
            "from Python: choose another name."
        )
    refuse_overwriting(files, [*config.files, *(folder / name for name in run_folder.FILES)])
    with os_errors_as(RunFolderError, f"the output {target} cannot be written"):
        for file in files:
            check_writable(file)
        if form == "onnx":
            write_onnx(target, saved)
            return Exported(files)
        if beside.exists() and not beside.read_bytes().startswith(MARK.encode()):
            raise RunFolderError(
                f"the output {target} has its code in {beside} beside it, which exists and is not of an earlier "
                "export: choose another name, or move that file away."
            )
        tensors, code = torch_state(saved, target.name)
        write_arrays(target, tensors, {"format": "pt"})
        write_text(beside, code)
        return Exported(files, code)

"""Do all checks that need a GPU, with one command: ``python -m benchmarks.gpu_round``.  See docs/gpu.md.

The parts run in order of importance, each in a separate process and within a time limit.  The results are in two files,
gpu_round.json and gpu_round.md, rewritten after each part, so an interrupted round has the results of its parts.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from benchmarks.gpu_round.parts import named
from benchmarks.gpu_round.wheels import WheelsError, install

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a round; return 0, 1 if a part failed, or 2 for a mistake in the options."""
    options = _options(arguments)
    try:
        parts = named(options.parts)
        site = options.work / "site"
        if options.wheels is not None:
            install(options.wheels, site)
            sys.path.insert(0, str(site))
    except (WheelsError, ValueError) as error:
        return _mistake(error)

    # only now: their imports may be among the wheels
    from benchmarks.gpu_round.record import Record, RecordError
    from benchmarks.gpu_round.rounds import run_round

    environment = _environment(options, site if options.wheels is not None else None)
    try:
        record = Record.open(options.out or _folder(options.stand_in), stand_in=options.stand_in, resume=options.resume)
    except RecordError as error:
        return _mistake(error)
    signal.signal(signal.SIGTERM, _stop)  # like Ctrl-C: also ends the running part
    try:
        run_round(record, parts, options.work, 60 * options.minutes, environment, partial(print, flush=True))
    except KeyboardInterrupt:
        print("stopped: continue with --resume", file=sys.stderr)
        return 130
    failed = f"failed: {', '.join(record.failed)}" if record.failed else "nothing failed"
    print(f"written to {record.folder}; {failed}")
    return 1 if record.failed else 0


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _mistake(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2


def _folder(stand_in: bool) -> Path:
    """Return the default folder of the record."""
    if stand_in:
        return ROOT / "runs" / "gpu-round-stand-in"
    from benchmarks.machine import machine, slug
    from benchmarks.peers import RESULTS

    return RESULTS / slug(machine())


def _environment(options: argparse.Namespace, site: Path | None) -> dict[str, str]:
    """Make the environment of the parts: the folders of data and packages, and of compiled kernels shared by parts."""
    kernels = options.work / "kernels"
    variables = {
        "CUPY_CACHE_DIR": str(kernels / "cupy"),
        "CUDA_CACHE_PATH": str(kernels / "driver"),
        "JAX_COMPILATION_CACHE_DIR": str(kernels / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "TORCHINDUCTOR_CACHE_DIR": str(kernels / "inductor"),
        "TRITON_CACHE_DIR": str(kernels / "triton"),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # otherwise JAX takes the memory that the others need
        "PYTHONUNBUFFERED": "1",
    }
    if options.data is not None:
        variables["XPMLP_DATA_DIR"] = str(options.data)
    paths = [str(ROOT), *([str(site)] if site is not None else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(paths)}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_round", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=8, help="end after this time; parts are chosen by their costs [default: 8]"
    )
    parser.add_argument("--out", type=_path, help="the folder of the record [default: benchmarks/results/<machine>]")
    parser.add_argument(
        "--resume", action="store_true", help="continue with the record that is there: the parts that it lacks"
    )
    parser.add_argument("--parts", help="only these, as verify-mnist,suite [default: all]")
    parser.add_argument(
        "--data", type=_path, help="the folder that holds mnist/ [default: XPMLP_DATA_DIR, or a download]"
    )
    parser.add_argument(
        "--wheels", type=_path, help="a folder of wheels to install first, for a machine without a network"
    )
    work = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xpmlp" / "gpu-round"
    parser.add_argument(
        "--work", type=_path, default=work, help=f"for compiled kernels and the parts' files [default: {work}]"
    )
    parser.add_argument(
        "--stand-in", action="store_true", help="without a GPU: the smallest sizes, a stand-in for CuPy"
    )
    options = parser.parse_args(arguments)
    if not options.minutes > 0:
        parser.error("--minutes has to be more than 0")
    return options


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


if __name__ == "__main__":
    sys.exit(main())

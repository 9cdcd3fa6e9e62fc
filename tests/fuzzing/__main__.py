"""``python -m tests.fuzzing``: fuzz every target and write the record.

``--guided`` needs atheris (``pip install atheris``), which is no dependency: it has wheels for Linux only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.fuzzing.campaign import run, work
from tests.fuzzing.guided import run_guided, work_guided
from tests.fuzzing.record import write_record
from tests.fuzzing.targets import TARGETS


def main() -> None:
    """Read the arguments and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description="Fuzz every reader of files.")
    parser.add_argument("--inputs", type=int, default=17_500, help="for each target [default: %(default)s]")
    parser.add_argument("--first", type=int, default=0, help="the first input's number; a number gives the same input")
    parser.add_argument("--guided", type=int, default=0, help="have atheris choose so many more for each target")
    parser.add_argument("--targets", default=",".join(TARGETS), help="some of the targets, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="the folder of the record")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--work-guided", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        name, first, inputs, out = options.work
        work(name, int(first), int(inputs), Path(out))
    elif options.work_guided:
        name, inputs, out = options.work_guided
        work_guided(name, int(inputs), Path(out))
    else:
        names = options.targets.split(",")
        records = [run(name, options.first, options.inputs) for name in names]
        if options.guided:
            records += [run_guided(name, options.guided) for name in names]
        write_record(options.out, records)


main()

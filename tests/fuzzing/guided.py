"""Inputs chosen by atheris, guided by the lines of the readers that they reach."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from random import Random
from typing import Any


class Choices(Random):
    """A source of choices that are the bytes that it is given; when they run out, what follows from them."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content, self._position = content, 0

    def getrandbits(self, k: int) -> int:
        """The next bytes as a number of ``k`` bits."""
        size = (k + 7) // 8
        piece = self._content[self._position : self._position + size]
        if len(piece) < size:
            return super().getrandbits(k)
        self._position += size
        return int.from_bytes(piece, "little") >> (8 * size - k)

    def random(self) -> float:
        """The next bytes as a number from 0 to 1."""
        return self.getrandbits(32) / 2**32


def work_guided(name: str, inputs: int, out: Path) -> None:
    """Let atheris choose a target's inputs; the record so far is in ``out``, since atheris ends the process."""
    import atheris

    with atheris.instrument_imports(include=["xpmlp"]):
        from tests.fuzzing.campaign import Record, warm_up
        from tests.fuzzing.targets import TARGETS

        target, record = TARGETS[name], Record(f"{name}, guided")
        folder = Path(tempfile.mkdtemp())
        warm_up(target, folder)

    def one(content: bytes) -> None:
        record.add(target, folder, partial(Choices, content), content.hex())
        if record.inputs % 100 == 0 or record.inputs >= inputs:
            out.write_text(json.dumps(record.as_dict()))

    atheris.Setup([sys.argv[0], f"-atheris_runs={inputs}", "-max_len=1024", "-rss_limit_mb=1024"], one)
    atheris.Fuzz()


def run_guided(name: str, inputs: int) -> dict[str, Any]:
    """The record of a target's inputs that atheris has chosen in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        command = [sys.executable, "-m", "tests.fuzzing", "--work-guided", name, str(inputs), str(out)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        record: dict[str, Any] = json.loads(out.read_text())
    if ended.returncode:
        record["failures"].append({"input": "atheris", "traceback": ended.stderr[-2000:]})
    return record

"""Running of the parts, each in a separate process, within its time and the round's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_round.parts import Part
from benchmarks.gpu_round.record import Entry, Record

ROOT = Path(__file__).parents[2]

LOOK = 1.0
"""Seconds between two readings of the findings of the running part."""

OUTPUT = 4000
"""Number of characters to keep of a part's output."""


def run_round(
    record: Record,
    parts: Sequence[Part],
    work: Path,
    seconds: float,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Run the parts that are not settled, as far as the time allows; those that failed before come last.

    Parameters
    ----------
    record : Record
        Saved after each part, and whenever a part has new findings.
    parts : sequence of Part
    work : Path
        Folder for the files of the parts.
    seconds : float
        Time limit, from now on.
    environment : mapping of str
        Environment of the parts' processes.
    say : (line) -> None
        Called with lines on the progress.
    """
    ends = time.monotonic() + seconds
    fresh = [part for part in parts if not record.entries[part.name].is_settled]
    again = [part for part in parts if record.entries[part.name].status == "failed"]
    record.save()
    for part in (*fresh, *again):
        left, cost = ends - time.monotonic(), part.seconds(stand_in=record.stand_in)
        if cost is None:
            record.entries[part.name].reason = "With a stand-in it would run the code of another part."
            record.save()
            continue
        if left < cost:
            if part in fresh:  # results of the others are kept
                reason = f"It takes about {cost} s, and {max(left, 0):.0f} s were left: continue with `--resume`."
                record.entries[part.name].reason = reason
            say(f"{part.name}: not begun, {max(left, 0):.0f} s are left")
            record.save()
            continue
        say(f"{part.name}: at most {min(part.limit, left):.0f} s")
        record.entries[part.name] = entry = Entry("cut off", "The round ended meanwhile: continue with `--resume`.")
        record.save()
        _run(part, work / part.name, left, environment, record)
        record.save()
        say(f"{part.name}: {entry.status} after {entry.seconds:.0f} s{': ' if entry.reason else ''}{entry.reason}")


def _run(part: Part, work: Path, left: float, environment: Mapping[str, str], record: Record) -> None:
    """Run a part in a new process group, which is ended with it, and fill its entry."""
    entry = record.entries[part.name]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu_round.part",
        part.where,
        str(work),
        *["--stand-in"] * record.stand_in,
    ]
    log, started = work / "output.txt", time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,  # its end tells the part that this process is gone
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            while (rest := min(part.limit, left) - (time.monotonic() - started)) > 0 and process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(min(rest, LOOK))
                if (found := _findings(work)) != entry.findings:
                    entry.findings = found
                    record.save()
        finally:
            status = process.poll()
            _end(process)
    entry.seconds, entry.findings = time.monotonic() - started, _findings(work)
    if status is None and left < part.limit:
        entry.status, entry.reason = "cut off", "The round's minutes were over: continue with `--resume`."
    elif status is None:
        entry.status, entry.reason = "failed", f"It took longer than {part.limit} s."
    elif status:
        entry.status, entry.reason = "failed", f"Its process ended with status {status}."
    else:
        entry.status, entry.reason = "passed", ""
    if entry.findings.get("failed"):
        entry.status = "failed"
    if entry.status != "passed":
        entry.output = log.read_bytes().decode(errors="replace")[-OUTPUT:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part's process and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _findings(work: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((work / "findings.json").read_text())
    except (OSError, ValueError):  # the part has not written any yet
        return {}
    return found

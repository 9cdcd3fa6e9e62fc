"""Computing the parts: those that are missing, one after another, and one beside the others where there is a core."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from xpmlp._malloc import keep_freed_memory
from xpmlp._processes import can_start_processes, start_process
from xpmlp.errors import ConfigError, XpmlpError
from xpmlp.grid import GridReporter
from xpmlp.report.configs import load_report_config, report_config
from xpmlp.report.fingerprint import fingerprint
from xpmlp.report.part import Done, Interrupted, Part, Work, read_record, write_record
from xpmlp.training.trainer import resolve_configured

POLL = 0.2
"""Seconds between two looks at whether the user wants to stop."""


class ReportReporter(GridReporter):
    """A listener that does nothing; a subclass overrides what it wants to hear, of trainings, too."""

    def part_kept(self, part: Part, done: Done) -> None:
        """A part was finished before and is not computed again."""

    def part_begins(self, part: Part, beside: bool) -> None:
        """A part is being computed, here or in a process beside this one."""

    def part_ends(self, part: Part, done: Done) -> None:
        """A part is finished."""


class Schedule:
    """The parts of one report folder.

    Parameters
    ----------
    parts : sequence of Part
        In the order in which they are computed; what a part needs comes before it.
    folder : Path
        Each part has a folder of its own in it.
    quick : bool
    backend : str or None
        Instead of the configs' own.
    """

    def __init__(self, parts: Sequence[Part], folder: Path, *, quick: bool, backend: str | None) -> None:
        self.parts = {part.name: part for part in parts}
        self.folder, self.quick = folder, quick
        self.configs = {
            part.name: None
            if part.config is None
            else load_report_config(part.config, backend, part.quick if quick else {})
            for part in parts
        }
        self.fingerprints: dict[str, str] = {}
        for part in parts:
            needed = {name: self.fingerprints[name] for name in part.needs}
            self.fingerprints[part.name] = fingerprint(part, self.configs[part.name], quick, needed)

    @property
    def backend_in_words(self) -> str:
        """What computes the parts that arrays compute."""
        settings = next(
            config.backend for name, config in self.configs.items() if config and not self.parts[name].beside
        )
        backend = resolve_configured(settings).backend
        return f"{backend.name} {backend.version} on {backend.device_name}, {backend.dtype_name}"

    def finished(self) -> dict[str, Done]:
        """The parts that are finished, by name."""
        found = {name: read_record(self.folder / name, name, self.fingerprints[name]) for name in self.parts}
        return {name: done for name, done in found.items() if done is not None}

    def run(self, names: Sequence[str], reporter: ReportReporter, should_stop: Callable[[], bool]) -> None:
        """Compute those of these parts, and of what they need, that are not finished.

        Raises
        ------
        Interrupted
            If it was asked to stop; what is finished is kept.
        XpmlpError
            If a part cannot be computed.
        """
        done = self.finished()
        wanted = self._with_needs(names)
        for name in wanted:
            self._check(self.parts[name])
        beside: dict[str, _Beside] = {}
        try:
            for name in wanted:
                part = self.parts[name]
                if name in done:
                    reporter.part_kept(part, done[name])
                    continue
                for need in set(part.needs) & set(beside):
                    self._collect(beside.pop(need), done, reporter, should_stop)
                if should_stop():
                    raise Interrupted
                work = Work(self._fresh_folder(name), self.configs[name], self.quick, _only(done, part.needs))
                apart = part.beside and not self.quick and can_start_processes("one part after another")
                reporter.part_begins(part, apart)
                if apart:
                    beside[name] = _Beside(part, work, self.fingerprints[name])
                else:
                    work = replace(work, reporter=reporter, should_stop=should_stop)
                    done[name] = compute(part, work, self.fingerprints[name])
                    reporter.part_ends(part, done[name])
            for name in list(beside):
                self._collect(beside.pop(name), done, reporter, should_stop)
        finally:
            for process in beside.values():
                process.stop()

    def _check(self, part: Part) -> None:
        """Refuse a config that the part cannot be computed by, before the first part is.

        Raises
        ------
        ConfigError
        """
        config = self.configs[part.name]
        for demand in part.demands:
            if config is not None and not demand.met(config):
                raise ConfigError(f"{report_config(config.name)}: the part {part.name} {demand.sentence}.")

    def _with_needs(self, names: Sequence[str]) -> list[str]:
        """These parts and what they need, in the order in which they are computed."""
        wanted = set(names)
        for name in reversed(self.parts):
            if name in wanted:
                wanted.update(self.parts[name].needs)
        return [name for name in self.parts if name in wanted]

    def _collect(
        self, process: _Beside, done: dict[str, Done], reporter: ReportReporter, should_stop: Callable[[], bool]
    ) -> None:
        """Wait for a part in another process."""
        try:
            finished = process.result(should_stop)
        finally:
            process.stop()
        done[finished.name] = finished
        reporter.part_ends(self.parts[finished.name], finished)

    def _fresh_folder(self, name: str) -> Path:
        """The part's folder, without what an unfinished or outdated one has left."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def compute(part: Part, work: Work, fingerprint: str) -> Done:
    """Compute a part, and record that it is finished."""
    started = time.perf_counter()
    results = part.compute(work)
    seconds = time.perf_counter() - started
    finished = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    done = Done(part.name, work.folder, results, seconds, finished)
    write_record(done, fingerprint)
    return done


class _Beside:
    """A part that is computed in a process of its own."""

    def __init__(self, part: Part, work: Work, fingerprint: str) -> None:
        self.part = part
        sent = replace(part, demands=())  # they have been checked, and functions without a name cannot be sent
        self.process, self.receiver = start_process(_compute_beside, sent, work, fingerprint)

    def result(self, should_stop: Callable[[], bool]) -> Done:
        """Wait for the finished part."""
        while not self.receiver.poll(POLL):
            if should_stop():
                raise Interrupted
        try:
            answer = self.receiver.recv()
        except EOFError:
            raise XpmlpError(f"the process that computed {self.part.name} died: run the report again.") from None
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Done)
        return answer

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.terminate()
        self.process.join()
        self.receiver.close()


def _compute_beside(part: Part, work: Work, fingerprint: str, sender: Connection) -> None:
    """In the process: compute and answer.  Ctrl-C is for the parent."""
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        sender.send(compute(part, work, fingerprint))
    except Exception as error:  # of whatever kind: the parent raises it
        sender.send(error)


def _end_with_the_parent() -> None:
    """Wait until the parent is gone, if it was killed with no time to end this process: nobody waits for the part."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _only(done: Mapping[str, Done], names: Sequence[str]) -> dict[str, Done]:
    return {name: done[name] for name in names}

"""Computation of the missing parts, one after another, with some in processes beside the others."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from xpmlp._malloc import keep_freed_memory
from xpmlp._processes import ProcessDiedError, RemoteCall, can_start_processes
from xpmlp.config import Config
from xpmlp.errors import ConfigError, XpmlpError
from xpmlp.grid import GridReporter
from xpmlp.report.configs import load_report_config, report_config
from xpmlp.report.fingerprint import fingerprint
from xpmlp.report.part import FinishedPart, Interrupted, PartInputs, ReportPart, read_record, write_record
from xpmlp.training.trainer import resolve_configured

POLL = 0.2
"""Seconds between two checks for a stop request."""


class ReportReporter(GridReporter):
    """Listener to the progress of a report and its trainings that does nothing; a subclass overrides methods."""

    def part_kept(self, part: ReportPart, done: FinishedPart) -> None:
        """Called when a part was finished before and is not computed again."""

    def part_begins(self, part: ReportPart, beside: bool) -> None:
        """Called when the computation of a part begins, here or in a process beside this one."""

    def part_ends(self, part: ReportPart, done: FinishedPart) -> None:
        """Called when a part is finished."""


class PartSchedule:
    """Schedule of the parts of one report folder.

    Parameters
    ----------
    parts : sequence of ReportPart
        In the order of computation; the needs of a part come before it.
    folder : Path
        Folder with a subfolder for each part.
    quick : bool
    backend : str or None
        Backend instead of the configs' own.

    Raises
    ------
    ConfigError, BackendError
        If a config cannot be read, or its backend is not available.
    """

    def __init__(self, parts: Sequence[ReportPart], folder: Path, *, quick: bool, backend: str | None) -> None:
        self.parts = {part.name: part for part in parts}
        self.folder, self.quick = folder, quick
        self.configs: dict[str, Config | None] = {}
        self.fingerprints: dict[str, str] = {}
        for name, part in self.parts.items():
            config = part.config and load_report_config(part.config, backend, part.quick if quick else {})
            needed = {need: self.fingerprints[need] for need in part.needs}
            self.configs[name] = config or None
            self.fingerprints[name] = fingerprint(part, self.configs[name], quick, needed)

    @property
    def backend_in_words(self) -> str:
        """The backend, device and dtype of the parts computed with arrays."""
        settings = next(
            config.backend for name, config in self.configs.items() if config and not self.parts[name].beside
        )
        backend = resolve_configured(settings).backend
        return f"{backend.name} {backend.version} on {backend.device_name}, {backend.dtype_name}"

    def finished(self) -> dict[str, FinishedPart]:
        """Return the finished parts by name."""
        found = {name: read_record(self.folder / name, name, self.fingerprints[name]) for name in self.parts}
        return {name: done for name, done in found.items() if done is not None}

    def run(self, names: Sequence[str], reporter: ReportReporter, should_stop: Callable[[], bool]) -> None:
        """Compute the unfinished ones among these parts and their needs.

        Raises
        ------
        Interrupted
            If it was asked to stop; finished parts are kept.
        XpmlpError
            If a part cannot be computed.
        """
        done, wanted = self.finished(), self._with_needs(names)
        for name in wanted:
            self._check(self.parts[name])
        beside: dict[str, RemoteCall] = {}

        def collect(name: str) -> None:
            while not beside[name].has_ended(POLL):
                if should_stop():
                    raise Interrupted
            try:
                done[name] = beside[name].result()
            except ProcessDiedError:
                raise XpmlpError(f"the process that computed {name} died: run the report again.") from None
            beside.pop(name).close()
            reporter.part_ends(self.parts[name], done[name])

        try:
            for name in wanted:
                part = self.parts[name]
                if name in done:
                    reporter.part_kept(part, done[name])
                    continue
                for need in beside.keys() & set(part.needs):
                    collect(need)
                if should_stop():
                    raise Interrupted
                needed = {need: done[need] for need in part.needs}
                work = PartInputs(self._fresh_folder(name), self.configs[name], self.quick, needed)
                apart = part.beside and not self.quick and can_start_processes("one part after another")
                reporter.part_begins(part, apart)
                if apart:
                    sent = replace(part, demands=())  # already checked, and not picklable, as they have lambdas
                    beside[name] = RemoteCall(_compute_beside, sent, work, self.fingerprints[name])
                else:
                    work = replace(work, reporter=reporter, should_stop=should_stop)
                    done[name] = compute(part, work, self.fingerprints[name])
                    reporter.part_ends(part, done[name])
            for name in list(beside):
                collect(name)
        finally:
            for call in beside.values():
                call.close()

    def _check(self, part: ReportPart) -> None:
        """Check that the config meets the part's demands, before any part is computed.

        Raises
        ------
        ConfigError
        """
        config = self.configs[part.name]
        for demand in part.demands:
            if config is not None and not demand.met(config):
                raise ConfigError(f"{report_config(config.name)}: the part {part.name} {demand.sentence}.")

    def _with_needs(self, names: Sequence[str]) -> list[str]:
        """Return these parts and their needs, in the order of computation."""
        wanted = set(names)
        for name in reversed(self.parts):
            if name in wanted:
                wanted.update(self.parts[name].needs)
        return [name for name in self.parts if name in wanted]

    def _fresh_folder(self, name: str) -> Path:
        """Create an empty folder for the part, removing the files of an unfinished or outdated one."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def compute(part: ReportPart, work: PartInputs, fingerprint: str) -> FinishedPart:
    """Compute a part, and record that it is finished."""
    started = time.perf_counter()
    results = _settings(work.config) | part.compute(work)
    seconds = time.perf_counter() - started
    finished = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    done = FinishedPart(part.name, work.folder, results, seconds, finished)
    write_record(done, fingerprint)
    return done


def _settings(config: Config | None) -> dict[str, Any]:
    """Return the config's settings quoted in the texts."""
    names = ("epochs", "batch_size", "learning_rate")
    return {} if config is None else {name: getattr(config.train, name) for name in names}


def _compute_beside(part: ReportPart, work: PartInputs, fingerprint: str) -> FinishedPart:
    keep_freed_memory()
    return compute(part, work, fingerprint)

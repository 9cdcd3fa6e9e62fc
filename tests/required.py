"""``XPMLP_REQUIRED_BACKENDS``: backends whose tests have to run.

``XPMLP_REQUIRED_BACKENDS=numpy,torch pytest`` fails where a test of such a backend would be skipped because the
library or its default device is missing, and where fewer than `MINIMUM` of its tests ran: a suite that quietly stopped
testing a backend would be green otherwise.  The numbers are of the whole suite; do not set it for a part of it.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from xpmlp.backend import NAMES

ENVIRONMENT = "XPMLP_REQUIRED_BACKENDS"

MINIMUM = 250
"""Tests that have to run for each required backend."""

PROPERTY = "backend"
"""The name under which a test records the backend that it used."""


def required_backends() -> list[str]:
    """The backends that the environment names."""
    names = [name.strip() for name in os.environ.get(ENVIRONMENT, "").split(",") if name.strip()]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise pytest.UsageError(f"{ENVIRONMENT} names {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    return names


def skip(name: str, reason: str, *, may_be_missing: bool = False) -> None:
    """Skip the running test for want of a library or a device, or fail it if that is required.

    Parameters
    ----------
    name : str
        The backend that the test needs.
    reason : str
        Which library or device is missing, as the backend says it: a machine need not have them all.
    may_be_missing : bool
        Whether a required backend may be without it: of a device that is not the library's default.
    """
    if name in required_backends() and not may_be_missing:
        pytest.fail(f"{ENVIRONMENT} requires {name}, but: {reason}", pytrace=False)
    # no machine has every library and both NVIDIA's and Apple's devices; `.ci/run` requires all that need no device
    pytest.skip(f"not on this machine: {reason}")


class RequiredBackends:
    """A pytest plugin that counts each backend's tests; under pytest-xdist the controller counts for all workers."""

    def __init__(self) -> None:
        self.required = required_backends()
        self.ran: Counter[str] = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        used = {str(value) for key, value in report.user_properties if key == PROPERTY}
        if report.when == "call" and not report.skipped:
            self.ran.update(used)
        elif used and report.skipped and isinstance(report.longrepr, tuple):
            # one line in the summary for each missing device, not one for each test
            report.longrepr = (__file__, 0, report.longrepr[2])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._judges(session.config) and self._too_few() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if not self.required or not self._judges(config):
            return
        terminalreporter.section("required backends")
        for name in self.required:
            verdict = f"too few, at least {MINIMUM} have to run" if name in self._too_few() else "ok"
            terminalreporter.line(f"{name}: {self.ran[name]} tests ran: {verdict}")

    def _too_few(self) -> list[str]:
        return [name for name in self.required if self.ran[name] < MINIMUM]

    @staticmethod
    def _judges(config: pytest.Config) -> bool:
        return not hasattr(config, "workerinput") and not config.option.collectonly

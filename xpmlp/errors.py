"""Errors for the user, each with an exit status for the shell.

Every message is one clear sentence (or a list of them) with the value given, the values allowed and the remedy.
The command line prints it without a traceback; a library user catches ``XpmlpError``.
"""

from __future__ import annotations


def signal_status(number: int) -> int:
    """Return the exit status of a program ended by a signal, by the shells' convention; 130 for Ctrl-C."""
    return 128 + number


class XpmlpError(Exception):
    """A mistake that the user can correct; ``exit_status`` is the command line's."""

    exit_status = 2


class ConfigError(XpmlpError):
    """A config file or an override that is not valid."""


class DataError(XpmlpError):
    """A data set that is missing, damaged, or not as the config describes it."""


class BackendError(XpmlpError):
    """An array library, a device or a dtype that is not available."""


class RunFolderError(XpmlpError):
    """A run folder that is missing, damaged, in use, or would be overwritten."""


class DivergenceError(XpmlpError):
    """A training whose loss or weights stopped being finite."""

    exit_status = 3


class GridError(XpmlpError):
    """A grid in which some runs could not be trained."""

    exit_status = 1


class PlotError(XpmlpError):
    """Figures that cannot be drawn because matplotlib is unusable."""


class VerificationError(XpmlpError):
    """Backends whose results differ from one another or from the textbook."""

    exit_status = 1

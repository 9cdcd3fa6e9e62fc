"""Errors for the person who runs the program, each with the exit status that the shell sees.

Every message is one clear sentence (or a list of them) that says what was given, what is allowed and what to do.
The command line prints it without a traceback; a library user catches ``XpmlpError``.
"""

from __future__ import annotations


def signal_status(number: int) -> int:
    """The exit status of a program that a signal has ended, by the shells' convention; 130 for Ctrl-C."""
    return 128 + number


class XpmlpError(Exception):
    """A mistake that its reader can mend; ``exit_status`` is what the command line exits with."""

    exit_status = 2


class ConfigError(XpmlpError):
    """A config file or an override that is not valid."""


class DataError(XpmlpError):
    """A data set that is missing, damaged, or not what the config says."""


class BackendError(XpmlpError):
    """An array library, a device or a dtype that is not available."""


class RunFolderError(XpmlpError):
    """A run folder that is missing, damaged, in use, or would be overwritten."""


class DivergenceError(XpmlpError):
    """A training whose loss or weights stopped being finite."""

    exit_status = 3


class GridError(XpmlpError):
    """A grid of runs of which some could not be trained."""

    exit_status = 1


class PlotError(XpmlpError):
    """Figures that cannot be drawn, since matplotlib cannot be used."""


class VerificationError(XpmlpError):
    """Backends that do not compute the same, or not what the textbook says."""

    exit_status = 1

"""The command line: read arguments, call the library, print.

A mistake in a file or an option ends with one clear message and the exit status of its error, without a traceback.
Text of a file or path quoted in a message cannot send commands to the terminal.  A command does not fail because its
output is not read or cannot be written.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from typing import Any

from xpmlp._malloc import keep_freed_memory
from xpmlp._paths import impossible_name
from xpmlp._text import printable
from xpmlp.cli.interrupt import sigterm_interrupts
from xpmlp.cli.streams import safe_streams
from xpmlp.errors import XpmlpError, signal_status

_OUTPUT_LOST = 1
"""The exit status of a command that completed its work but could not write its output."""


def main() -> None:
    """Run ``xpmlp`` with the process's arguments and exit."""
    _collect_rarely()
    keep_freed_memory()
    with safe_streams() as output, sigterm_interrupts() as stop:
        status = _run()
        status = stop.exit_status or status
        if output.loss is not None and not status:
            status = _refuse(f"the output could not be written ({output.loss}): all else is done.", _OUTPUT_LOST)
    sys.exit(status)


def _run() -> Any:
    """Run the command named by the arguments, and return its exit status."""
    try:
        from xpmlp.cli.app import app

        app(prog_name="xpmlp")
    except SystemExit as end:
        return end.code
    except XpmlpError as error:
        return _refuse(f"{error}{_no_folder()}", error.exit_status)
    except MemoryError as error:
        return _refuse(
            f"out of memory ({error}): lower model.hidden_layer_sizes, train.batch_size or grid.block_width.",
            XpmlpError.exit_status,
        )
    except UnicodeEncodeError as error:  # of a file's name
        if error.encoding != sys.getfilesystemencoding():
            raise
        return _refuse(impossible_name(error.object), XpmlpError.exit_status)
    except OSError as error:  # from any library: a mistake in a path is the user's to mend, too
        subject = "" if error.filename is None else f"{error.filename}: "
        return _refuse(f"{subject}{error.strerror or error}.{_no_folder()}", XpmlpError.exit_status)
    except KeyboardInterrupt:  # while the program was loading; afterwards the commands handle it
        return signal_status(signal.SIGINT)


def _refuse(sentence: str, status: int) -> int:
    print(f"error: {printable(sentence)}", file=sys.stderr)
    return status


def _no_folder() -> str:
    """Return a sentence to add if the current folder, the base of relative paths, is gone."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return " The current folder has been removed: change to one that exists."
    return ""


def _collect_rarely() -> None:
    """Make Python collect circular garbage less often, and not at exit, when the process returns all memory anyway.

    Each collection traverses the many permanent objects of the imported libraries: an eighth of the time of a short
    training.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)

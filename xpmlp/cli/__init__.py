"""The command line: read arguments, call the library, print.

A mistake in a file or an option ends with one clear message and the exit status of its error, without a traceback.
What the message quotes of a file or a path cannot send the terminal commands.
"""

from __future__ import annotations

import atexit
import gc
import sys

from xpmlp._malloc import keep_freed_memory
from xpmlp._text import printable
from xpmlp.errors import XpmlpError


def main() -> None:
    """Run ``xpmlp`` with the process's arguments and exit."""
    _collect_rarely()
    keep_freed_memory()
    try:
        from xpmlp.cli.app import app

        app(prog_name="xpmlp")
    except XpmlpError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:  # from whichever library: a mistake in a path is for its reader, too
        subject = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {printable(f'{subject}{error.strerror or error}')}.", file=sys.stderr)
        sys.exit(XpmlpError.exit_status)
    except MemoryError as error:
        print(
            f"error: out of memory ({error}): lower model.hidden_layer_sizes, train.batch_size or grid.block_width.",
            file=sys.stderr,
        )
        sys.exit(XpmlpError.exit_status)
    except KeyboardInterrupt:  # while the program was being loaded; afterwards the commands see to it
        sys.exit(130)


def _collect_rarely() -> None:
    """Have Python look for circular garbage less often, and not at exit, when the process gives all memory back anyway.

    Each time it goes through the many objects of the imported libraries, which stay: in a short training an eighth of
    the time.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)

"""``xpmlp backends``: the array libraries and devices of this machine."""

from __future__ import annotations

import typer


def backends() -> None:
    """List the array libraries, with the devices on which each can be used here, or the reason why it cannot."""
    from xpmlp._text import aligned
    from xpmlp.backend import LISTED, probe

    rows = [
        (report.name, report.version or "-", "yes" if report.float64 else "no", ", ".join(report.devices))
        if report.problem is None
        else (report.name, report.version or "-", "-", f"not usable: {report.problem}")
        for report in map(probe, LISTED)
    ]
    typer.echo(aligned(("backend", "version", "float64", "devices"), rows))

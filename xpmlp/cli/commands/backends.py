"""``xpmlp backends``: the array libraries and devices that this machine has."""

from __future__ import annotations

import typer


def backends() -> None:
    """Say which array libraries can be used here, on which devices, or why not."""
    from xpmlp.backend import LISTED, probe
    from xpmlp.cli.columns import aligned

    rows = [
        (report.name, report.version or "-", "yes" if report.float64 else "no", ", ".join(report.devices))
        if report.problem is None
        else (report.name, report.version or "-", "-", f"not usable: {report.problem}")
        for report in map(probe, LISTED)
    ]
    typer.echo(aligned(("backend", "version", "float64", "devices"), rows))

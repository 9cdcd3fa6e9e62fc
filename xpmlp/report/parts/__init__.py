"""Parts of the report, each a module with its computation and its display."""

from __future__ import annotations

from xpmlp.errors import ConfigError
from xpmlp.report.part import ReportPart
from xpmlp.report.parts import beyond, figure1, figure2, figure3, final, questions, shapes, table1, table4

PARTS = tuple(module.PART for module in (questions, table1, figure1, shapes, figure2, figure3, table4, final, beyond))
"""All parts, in the order of the page."""

# Table 4 uses all cores.  After it, Figure 1 keeps one core busy for about as long as the remaining parts need another.
COMPUTING_ORDER = tuple(
    module.PART for module in (questions, table1, shapes, table4, figure1, figure2, figure3, final, beyond)
)
"""All parts, in the order of computation."""


def named_parts(names: list[str] | None) -> list[ReportPart]:
    """Return the parts with these names or aliases, in the order of the page; all parts for ``None``.

    Raises
    ------
    ConfigError
        If a name is unknown, or no name is given.
    """
    if names is None:
        return list(PARTS)
    known = {name: part for part in PARTS for name in (part.name, *part.aliases)}
    if not names:
        raise ConfigError(f"--only names no part: choose among {', '.join(known)}.")
    for name in names:
        if name not in known:
            raise ConfigError(f"the report has no part {name!r}: choose among {', '.join(known)}.")
    wanted = {known[name].name for name in names}
    return [part for part in PARTS if part.name in wanted]

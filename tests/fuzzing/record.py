"""The record of a campaign, for programs and for readers."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xpmlp._files import write_text

COLUMNS = ("target", "inputs", "past the header", "read", "refused", "failures", "slowest", "most memory")


def write_record(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write ``fuzzing.json`` and ``fuzzing.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"python": platform.python_version(), "system": platform.system(), "targets": list(records)}
    write_text(folder / "fuzzing.json", json.dumps(facts, indent=2) + "\n")
    write_text(folder / "fuzzing.md", markdown(records))


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """The record as a table."""
    total = {
        "target": "all",
        **{key: sum(record[key] for record in records) for key in ("inputs", "past_header", "read")},
        "failures": [failure for record in records for failure in record["failures"]],
        **{key: max(record[key] for record in records) for key in ("slowest", "peak_memory")},
    }
    rows = ["| " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
    rows += ["| " + " | ".join(_cells(record)) + " |" for record in (*records, total)]
    return (
        "# Fuzzing\n\nWritten by `python -m tests.fuzzing`; what is asked of every input is in "
        "[reliability.md](../../docs/reliability.md).  *Read* inputs were compared with an independent reading of the "
        "same bytes; *refused* ones got a sentence and the exit status 2.\n\n" + "\n".join(rows) + "\n"
    )


def _cells(record: dict[str, Any]) -> list[str]:
    inputs, failures = record["inputs"], len(record["failures"])
    refused = inputs - record["read"] - failures
    return [
        record["target"],
        f"{inputs:,}",
        f"{record['past_header']:,} ({record['past_header'] / inputs:.0%})",
        f"{record['read']:,}",
        f"{refused:,}",
        str(failures),
        f"{record['slowest']:.2f} s",
        f"{record['peak_memory'] / 2**20:.0f} MiB",
    ]

"""CSV files: quotes, line ends, missing and surplus fields, numbers in every spelling, bytes that are not text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from random import Random

from tests.fuzzing.mutations import cut_or_extended, damaged

NUMBERS = ("0", "1", "-2.5", "+3", "1e3", "1E-300", ".5", "5.", " 7 ", "007", "0.1", "123456789012345678")
ODD = ("", " ", "nan", "NaN", "inf", "-Infinity", "1e999", "1,5", "0x10", "1_000", "true", "=1+1", "é", "\x1b[31m", "-")
ODD_NAMES = ("", "a", " a", "target", "=x", '"', "x\ny", "é", "#", "x^2", "x\x01y", "\ufeff")


def make(random: Random, names: Sequence[str] | None = None) -> bytes:
    """A file with a header and rows, and perhaps something wrong with it."""
    header = list(names or [*(f"x{index}" for index in range(random.randint(1, 5))), "target"])
    random.shuffle(header)
    labels = random.choice((("0", "1"), ("-5", "12"), ("ant", "bee"), ("=a", "<b>"), ("true", "False"), ("1.0", "2.5")))
    rows = [
        [random.choice(labels) if name == "target" else random.choice(NUMBERS) for name in header]
        for _ in range(random.randint(1, 8))
    ]
    match random.randrange(10):
        case 0:
            header[random.randrange(len(header))] = random.choice(ODD_NAMES)
        case 1 | 2:
            row = random.choice(rows)
            row[random.randrange(len(row))] = random.choice(ODD)
        case 3:
            random.choice(rows).append(random.choice((*NUMBERS, *ODD)))
        case 4:
            random.choice(rows).pop()
        case 5:
            random.choice(rows)[0] = random.choice(("1" * 50_000, "x" * 50_000, "0." + "0" * 9000 + "1"))
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=random.choice((",",) * 15 + (";", "\t")),
        lineterminator=random.choice(("\n", "\n", "\n", "\r\n", "\r\n", "\r")),
        quoting=random.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL)),
    )
    writer.writerows([header, *rows])
    content = text.getvalue().encode(random.choice(("utf-8",) * 8 + ("utf-8-sig", "utf-16")))
    match random.randrange(12):
        case 0:
            return damaged(content, random)
        case 1:
            return cut_or_extended(content, random)
        case 2:
            return random.choice((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x9c", b"x\x01", b"x^")) + content
    return content


def independent(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows by the standard library's reader, without the spaces around fields."""
    text = content.decode("utf-8-sig")
    header, *rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text, newline="")) if row]
    while rows and not any(rows[-1]):
        rows.pop()
    return header, rows


def numeric(cell: str) -> float:
    """A cell's number, truth values among them."""
    folded = cell.lower()
    return {"true": 1.0, "false": 0.0}.get(folded, math.nan) if folded in ("true", "false") else float(cell)

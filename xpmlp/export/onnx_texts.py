"""Texts in ONNX operators: their length and their words, by regular expressions."""

from __future__ import annotations

import sys
from collections import defaultdict
from functools import cache

import numpy as np

from xpmlp.data.tables.cells import gap_texts
from xpmlp.data.tables.features import EncodedColumn
from xpmlp.export.graph import Graph, f64, shape

LENGTH_BITS, LENGTH_BLOCKS = 9, 3
"""Bits for a text's length, and the maximum number of further blocks of 512 characters."""


def text(graph: Graph, name: str, one: EncodedColumn, missing: tuple[str, ...]) -> list[str]:
    """Add the input of a column of texts; return the logarithms of lengths, the words' presence and their statistic."""
    raw = graph.input(name, object, 1, "a text without blanks around it, or an empty string")
    gap = graph("Equal", graph.encoded(raw, dict.fromkeys(sorted(gap_texts(missing)), 1), 0), shape(1))
    length = graph("Log", graph("Add", _length(graph, raw), f64(1.0)))
    present, has = graph.cast(graph("Not", gap), np.float64), {}
    for word in dict.fromkeys([*one.words, *(one.statistic.words if one.statistic else ())]):
        found = _matches(graph, raw, _with_word(word))
        has[word] = graph("Mul", found, present)
    numbers = [graph("Where", gap, f64(np.nan), length), *(has[word] for word in one.words)]
    if one.statistic is not None:
        found = graph("Concat", *(has[word] for word in one.statistic.words), axis=1)
        numbers.append(graph("MatMul", found, f64(one.statistic.means)))
    return numbers


def _with_word(word: str) -> str:
    """Return the pattern of texts with a word, by `words_of`: RE2's ``(?i)`` takes ſ for s, and does not know İ."""
    letters = []
    for place, letter in enumerate(word):
        capitals = _capitals().get(letter.replace("ς", "σ"), "")  # of those, the ones that give this word
        fitting = [one for one in capitals if (word[:place] + one + word[place + 1 :]).lower() == word]
        letters.append(f"[{letter}{''.join(fitting)}]")
    whole = rf"{''.join(letters)}(?:\P{{L}}.*)?"
    if word.endswith("i"):
        whole = rf"(?:{whole}|{''.join(letters[:-1])}İ.*)"
    return rf"(?s)(?:.*[\P{{L}}İ])?{whole}"


@cache
def _capitals() -> dict[str, str]:
    """Return all letters with another lower-case form, by this form."""
    capitals = defaultdict[str, str](str)
    for letter in map(chr, range(sys.maxunicode + 1)):
        if letter.lower() != letter:
            capitals[letter.lower()] += letter
    return capitals


def _matches(graph: Graph, raw: str, pattern: str) -> str:
    return graph.cast(graph("RegexFullMatch", raw, pattern=pattern), np.float64)


def _length(graph: Graph, raw: str) -> str:
    """Compute the lengths of texts of up to 2,047 characters, bit by bit, with regular expressions.

    ONNX has no operator for it.
    """
    block = 2**LENGTH_BITS
    bits = [2**power for power in range(LENGTH_BITS)]
    patterns = [(rf"(?s)(?:.{{{2 * bit}}})*.{{{bit},{2 * bit - 1}}}", bit) for bit in bits]
    patterns += [(rf"(?s){rf'.{{{block}}}' * count}.*", block) for count in range(1, LENGTH_BLOCKS + 1)]
    return graph("Sum", *(graph("Mul", _matches(graph, raw, pattern), f64(size)) for pattern, size in patterns))

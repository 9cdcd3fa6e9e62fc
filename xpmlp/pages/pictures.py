"""Section on images: the most confident mistakes, the least confident right answers, and the first layer's weights."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xpmlp._tree import leaves
from xpmlp.pages.markup import Markup, element, figure, section
from xpmlp.pages.material import Material, Rows
from xpmlp.pages.quality import probabilities

MOST = 12
"""Maximum number of pictures of a kind."""

MOST_WEIGHTS = 24


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encode a greyscale picture (height, width) as PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = image.shape
    lines = np.pad(image, ((0, 0), (1, 0))).tobytes()  # each line begins with filter type 0, none
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(lines, 9)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pictures(material: Material, rows: Rows) -> Markup:
    """Show mistakes, uncertain right answers and the weights of first-layer units as pictures."""
    assert rows.dataset.image_shape is not None
    given, targets = probabilities(material, rows), np.asarray(rows.part.targets).astype(int)
    decided, sure = given.argmax(axis=1), given.max(axis=1)
    wrong, right = np.flatnonzero(decided != targets), np.flatnonzero(decided == targets)
    labels = material.classes

    def said(row: int) -> str:
        return f"{labels[targets[row]]}: taken for {labels[decided[row]]}, {100 * sure[row]:.1f}%"

    surest = [_picture(rows, row, said(row)) for row in wrong[np.argsort(-sure[wrong])][:MOST]]
    least = [
        _picture(rows, row, f"{labels[targets[row]]}, {100 * sure[row]:.1f}%")
        for row in right[np.argsort(sure[right])][:MOST]
    ]
    return section(
        "pictures",
        "Which images it takes for others",
        element("h3", f"The surest mistakes, of {len(wrong):,}") if surest else "",
        element("div", *surest, class_="pictures"),
        element("h3", "The least sure right answers"),
        element("div", *least, class_="pictures"),
        *_weights(material, rows),
    )


def _picture(rows: Rows, row: int, caption: str) -> Markup:
    raw = np.asarray(rows.part.features[int(row)], dtype=np.float64)
    return _drawn(raw.reshape(rows.dataset.image_shape), caption)


def _drawn(values: npt.NDArray[np.float64], caption: str) -> Markup:
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)
    source = "data:image/png;base64," + base64.b64encode(png(grey)).decode()
    return figure(caption, element("img", src=Markup(source), alt=caption, width=84, height=84))


def _weights(material: Material, rows: Rows) -> Sequence[Markup]:
    """Draw the weights of the first layer's units with the largest ones, if that layer takes the pixels."""
    found: list[Any] = [leaf for _, leaf in leaves(material.saved.parameters)]
    height, width = rows.dataset.image_shape or (0, 0)
    if not found or found[0].shape[0] != height * width:
        return []
    units = np.argsort(-np.abs(found[0]).sum(axis=0), kind="stable")[:MOST_WEIGHTS]
    drawn = [_drawn(found[0][:, unit].reshape(height, width).astype(np.float64), f"unit {unit + 1}") for unit in units]
    return [
        element("h3", "Weights of the first hidden units: the largest ones, dark negative and bright positive"),
        element("div", *drawn, class_="pictures"),
    ]

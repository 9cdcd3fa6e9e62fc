"""Labels written as text: their types, missing values, and the lookup of a label by its text.

Different texts are different classes.  So text becomes numbers or truth values only where every text is the standard
spelling of its number: ``7`` but not ``007``, ``1.0`` but not ``1E0``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

MISSING = ("?", "NA", "N/A", "null", "NaN", "-")
"""The texts that mean a missing value by default (see ``data.missing``)."""

_WHOLE_REAL = r"^(0|-?[1-9][0-9]{0,14})\.0$"
"""A whole number written as a real, as by Python; exact in float64."""

_TRUTHS = {"False": "false", "True": "true"}
"""Python's spellings of truth values, and their case-folded forms."""


def gaps(column: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Tell which fields are missing values: a text of ``missing``, as given, in upper case or in lower case.

    ``-`` is not a missing value where ``+`` is a label, too.
    """
    markers = {form for text in missing for form in (text, text.upper(), text.lower())}
    if "-" in markers and (column == "+").any():
        markers.remove("-")
    return column.is_in(sorted(markers))


def typed_labels(column: pl.Series) -> NDArray[Any] | None:
    """Convert labels to int64, float64 (whole numbers such as ``1.0``) or bool, or return None if they stay text."""
    import polars as pl

    whole = column.cast(pl.Int64, strict=False)
    if whole.null_count() == 0 and (whole.cast(pl.String) == column).all():
        return whole.to_numpy()
    if column.str.contains(_WHOLE_REAL).all():
        return column.cast(pl.Float64).to_numpy()
    if column.is_in(list(_TRUTHS)).all():
        return (column == "True").to_numpy()
    return None


def label_places(texts: Iterable[str], labels: NDArray[Any]) -> list[int | None]:
    """Find the labels that texts name.

    Parameters
    ----------
    texts : iterable of str
    labels : (n_classes,)

    Returns
    -------
    places : list of int or None
        For each text, the index of the label spelled like it or, failing that, of the only label with the same number
        or truth value (``1.0`` for 1, ``TRUE`` for True); None if there is no such label.
    """
    written = [str(label) for label in labels.tolist()]
    by_meaning = unambiguous(written, _meaning)
    by_text = {text: place for place, text in enumerate(written)}
    return [by_text.get(text, by_meaning.get(_meaning(text))) for text in texts]


def unambiguous(labels: Iterable[str], meaning_of: Callable[[str], Any]) -> dict[Any, int]:
    """Return the index of a label by its meaning, for each meaning, other than None, of a single label."""
    meanings = list(map(meaning_of, labels))
    counts = Counter(meanings)
    return {one: place for place, one in enumerate(meanings) if one is not None and counts[one] == 1}


def finite_number(text: str) -> Decimal | None:
    """Convert a text to the exact number it spells; None if it is not a finite number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _meaning(text: str) -> str | Decimal:
    """Return the common form of all spellings of the same number or truth value."""
    number = finite_number(text)
    folded = text.lower()
    return (folded if folded in _TRUTHS.values() else text) if number is None else number

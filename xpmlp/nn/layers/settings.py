"""Types of layers' settings, by which a config checks them: annotations of the makers' arguments."""

from __future__ import annotations

from typing import Annotated, NamedTuple


class Setting(NamedTuple):
    """Bounds of a value, besides its type.

    Attributes
    ----------
    minimum, above, below : float, optional
        Bounds: at least, greater than, less than.
    names : str, optional
        The kind of the table whose record it names.
    """

    minimum: float | None = None
    above: float | None = None
    below: float | None = None
    names: str | None = None


Count = Annotated[int, Setting(minimum=1, below=2**31)]
Positive = Annotated[float, Setting(above=0)]
Rate = Annotated[float, Setting(minimum=0, below=1)]
ActivationName = Annotated[str, Setting(names="activation")]
InitializerName = Annotated[str, Setting(names="initializer")]

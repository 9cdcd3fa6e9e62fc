"""``[backend]``: the array library, its device and its precision."""

from __future__ import annotations

from typing import Annotated, Literal

from xpmlp.config.names import NameOf
from xpmlp.config.sections.section import Section
from xpmlp.config.value_types import (
    Count,
    OrNone,
    Text,
)


class BackendConfig(Section):
    """The array library that computes, its device and its precision."""

    name: Annotated[str, NameOf("backend", ("auto",))] = "numpy"
    """The array library. `auto` chooses the first of CuPy, PyTorch and JAX with a working GPU, else NumPy, and reports
    its choice; a library that is named but not usable here is an error.
    """

    device: OrNone[Text] = None
    """The device, as the library names it: "cpu", "cuda:0", "mps" and so on. "none": the backend's default device."""

    dtype: Literal["float32", "float64"] = "float32"
    """The type of weights, activations and losses."""

    fused: bool = True
    """Use the backend's fast versions of the few operations that dominate, and compiled or recorded steps if it has
    them (JAX always compiles); false: the pure array-API definitions, one after another.
    """

    tf32: bool = False
    """Let an NVIDIA GPU with TensorFloat-32 round the factors of float32 products to 10 bits: faster, with about three
    digits instead of seven. Results then differ from those of other backends by more than rounding.
    """

    threads: OrNone[Count] = None
    """Maximum number of CPU threads for NumPy, which uses fewer for small products, and number of threads for PyTorch.
    "none": one for each core. The same bits need the same number.
    """

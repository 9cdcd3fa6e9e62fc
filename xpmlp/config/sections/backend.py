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
    """Which array library computes, on which device, and in which precision."""

    name: Annotated[str, NameOf("backend", ("auto",))] = "numpy"
    """The array library. `auto` takes the first with a working GPU (CuPy, PyTorch, JAX), else NumPy, and says which;
    any other that is not usable here is an error.
    """

    device: OrNone[Text] = None
    """The device as its library names it: "cpu", "cuda:0", "mps" and so on. "none": the backend's
    default device.
    """

    dtype: Literal["float32", "float64"] = "float32"
    """The type of weights, activations and losses."""

    fused: bool = True
    """Use the backend's faster equals of the few operations that dominate, and compiled or recorded steps where it has
    them (JAX always compiles); false: the pure array-API definitions, one after another.
    """

    tf32: bool = False
    """Let an NVIDIA GPU that has TensorFloat-32 round the factors of float32 products to 10 bits: faster, and about
    three digits in place of seven. Results no longer agree with other backends' to rounding.
    """

    threads: OrNone[Count] = None
    """CPU threads of NumPy, at most, since small products take fewer; and of PyTorch. "none": one for each core. The
    same number is needed to get the same bits again.
    """

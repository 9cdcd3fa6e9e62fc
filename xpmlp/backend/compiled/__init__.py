"""Compiled steps of a fold on NumPy: Python runs once for each shape of a step instead of once for each step.

A small step on NumPy is dominated by the overhead of Python and of NumPy's calls, some microseconds each whatever they
compute.  The step, which is written once for all array libraries, is traced (`tracing`), assembled to a list of
instructions (`program`), cut into parts (`division`), and carried out by a loop that Numba compiles (`loop`,
`compilation`), on several threads (`team`, `barrier`) while these save time (`contention`).  The loop calls kernels
(`rows`, `elementwise`) and, for products, NumPy's BLAS (`products`).  A step that cannot be traced runs uncompiled, and
a notice names the operation that prevented tracing.

`CompiledSteps` is the entry point; docs/compiled.md explains how it works.
"""

from xpmlp.backend.compiled.scan import CompiledSteps

__all__ = ["CompiledSteps"]

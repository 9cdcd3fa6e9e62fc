"""Steps of a fold on NumPy compiled: Python once for each step's shape, instead of once for each step.

A small step on NumPy is bound by Python and by NumPy's calls, each of which takes some microseconds whatever it
computes.  The step, which is written once for all array libraries, is traced (`tracing`), assembled to a list of
instructions (`program`), cut into parts (`division`), and carried out by a loop that Numba compiles (`loop`,
`compilation`), on several threads (`team`, `barrier`) if these pay at present (`contention`).  That calls kernels
(`rows`, `elementwise`) and, for products, NumPy's BLAS (`products`).  A step that cannot be traced runs as it is
written, and a notice names the operation that stood in the way.

`CompiledSteps` is the entry; docs/compiled.md says how it works.
"""

from xpmlp.backend.compiled.scan import CompiledSteps

__all__ = ["CompiledSteps"]

"""The array libraries: the only place in the program that names them, one a file, imported when asked for.

======================== ==================================================================
`resolve`                the backend that a config names, or a sentence that says why not
`probe`, `NAMES`         what there is on this machine
`residence_of`           where an array lives: the backend and device whose it is
`Backend`                devices, transfers, the fold over batches, fused operations
`blas_threads_at_most`   a bound for processes that share the cores
======================== ==================================================================
"""

from xpmlp.backend.base import Backend, DTypeName, Fold, Step
from xpmlp.backend.registry import NAMES, Choice, Report, probe, resolve
from xpmlp.backend.residence import HOST, Residence, residence_of
from xpmlp.backend.threads import blas_threads_at_most

__all__ = [
    "HOST",
    "NAMES",
    "Backend",
    "Choice",
    "DTypeName",
    "Fold",
    "Report",
    "Residence",
    "Step",
    "blas_threads_at_most",
    "probe",
    "residence_of",
    "resolve",
]

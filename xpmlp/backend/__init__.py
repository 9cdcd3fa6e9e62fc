"""The array libraries: the only place in the program that names them, one a file, imported when asked for.

======================== ==================================================================
`resolve`                the backend that a config names, or a sentence that says why not
`probe`                  what there is on this machine
`backends`               the table of their records, which need no library
`residence_of`           where an array lives: the backend and device whose it is
`Backend`                devices, transfers, the fold over batches, fused operations
`blas_threads_at_most`   a bound for processes that share the cores
======================== ==================================================================
"""

from xpmlp.backend.base import Backend, DTypeName
from xpmlp.backend.fold import Fold, Prefetch, Step
from xpmlp.backend.registry import (
    LISTED,
    NAMES,
    Availability,
    BackendRecord,
    Choice,
    backends,
    check_name,
    probe,
    resolve,
)
from xpmlp.backend.residence import HOST, Residence, residence_of
from xpmlp.backend.threads import blas_threads_at_most

__all__ = [
    "HOST",
    "LISTED",
    "NAMES",
    "Availability",
    "Backend",
    "BackendRecord",
    "Choice",
    "DTypeName",
    "Fold",
    "Prefetch",
    "Residence",
    "Step",
    "backends",
    "blas_threads_at_most",
    "check_name",
    "probe",
    "residence_of",
    "resolve",
]

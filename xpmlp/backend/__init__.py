"""Array libraries, one module each, imported on demand; no other part of the program names them.

======================== ==================================================================
`resolve`                the backend named by a config, or an error that says why not
`probe`                  the version and devices of a backend on this machine
`backends`               the table of backend records, usable without their libraries
`residence_of`           the backend and device of an array
`Backend`                devices, transfers, the fold over batches, fused operations
`blas_threads_at_most`   a limit on BLAS threads, for processes that share the cores
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

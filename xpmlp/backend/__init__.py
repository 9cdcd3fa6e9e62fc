"""The array libraries: the only place in the program that names them, one a file, imported when asked for.

======================== ==================================================================
`resolve`                the backend that a config names, or a sentence that says why not
`probe`, `NAMES`         what there is on this machine
`residence_of`           where an array lives: the backend and device whose it is
`Backend`                devices, transfers, the fold over batches, fused operations
======================== ==================================================================
"""

from xpmlp.backend.base import Backend, DTypeName, Fold, Step
from xpmlp.backend.registry import NAMES, Choice, Report, probe, resolve
from xpmlp.backend.residence import HOST, Residence, residence_of

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
    "probe",
    "residence_of",
    "resolve",
]

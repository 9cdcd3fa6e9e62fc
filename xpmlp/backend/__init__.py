"""The array libraries: the only place in the program that names them, one a file, imported when asked for.

======================== ==================================================================
`resolve`                the backend that a config names, or a sentence that says why not
`probe`, `NAMES`         what there is on this machine
`Backend`                devices, transfers, the fold over batches, fused operations
======================== ==================================================================
"""

from xpmlp.backend.base import Backend, DTypeName, Fold, Step
from xpmlp.backend.registry import NAMES, Choice, Report, probe, resolve

__all__ = ["NAMES", "Backend", "Choice", "DTypeName", "Fold", "Report", "Step", "probe", "resolve"]

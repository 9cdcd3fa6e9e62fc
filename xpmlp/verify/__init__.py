"""Parity: whether every backend computes what the textbook says, and the same as the others.

==================== =============================================================================
`verify`             does it, and gives a `Verification`; ``xpmlp verify`` prints it
``reference``        the textbook: an independent training in float64, and its finite differences
``layered``          networks of any layers, by the layers' own functions and these finite differences
``trial``            what all are made to do: first weights, batches, steps to look at
``recording``        doing it, on a backend with the training's own code, or by the reference
``comparison``       relative differences, and the first quantity that is not what it should be
``tolerances``       how large they may be: one table, justified in docs/parity.md
``files``            ``verify.json`` and ``verify.png``
==================== =============================================================================
"""

from xpmlp.verify.candidates import Candidate, parse_candidates
from xpmlp.verify.comparison import REFERENCE, Difference
from xpmlp.verify.files import FILES, check_folder, write_files
from xpmlp.verify.run import DifferenceCurve, Participant, Verification, verify

__all__ = [
    "FILES",
    "REFERENCE",
    "Candidate",
    "Difference",
    "DifferenceCurve",
    "Participant",
    "Verification",
    "check_folder",
    "parse_candidates",
    "verify",
    "write_files",
]

"""Parity: checks that every backend computes the textbook's results, and the same as the other backends.

==================== =============================================================================
`verify`             runs the checks and returns a `Verification`; ``xpmlp verify`` prints it
``reference``        the textbook: an independent training in float64, and its finite differences
``layered``          networks of any layers, by the layers' own functions and these finite differences
``trial``            the common task: initial weights, batches, steps to compare
``recording``        records of a trial, on a backend with the training's own code, or by the reference
``comparison``       relative differences, and the first quantity out of tolerance
``tolerances``       the allowed differences: one table, justified in docs/parity.md
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

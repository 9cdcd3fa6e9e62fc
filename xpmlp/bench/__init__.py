"""Timings of a config's training on every backend of this machine.

==================== ==================================================================
`bench`              measures the speed of a config's training on each backend
`recommend`          recommends one of the backends, with the reason
`Stopwatch`          a reporter that times the steps of a training
==================== ==================================================================
"""

from xpmlp.bench.comparison import Measured, Recommendation, bench, recommend, report_json
from xpmlp.bench.pace import Pace
from xpmlp.bench.stopwatch import Stopwatch

__all__ = [
    "Measured",
    "Pace",
    "Recommendation",
    "Stopwatch",
    "bench",
    "recommend",
    "report_json",
]

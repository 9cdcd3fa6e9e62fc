"""The coursework report, reproduced: each table and figure computed, compared, and set on one page.

================  =============================================================================
``coursework``    the figures that the coursework prints
``parts``         a module for each table or figure: what it computes; beside it, what is said of that
``text``          filling in these texts, with their tables and figures
``part``          what a part is, and the record of a finished one
``fingerprint``   what a finished part depends on
``schedule``      computing the parts that are missing
``comparison``    verdicts, computed
``document``      what a page consists of; ``page`` sets it, ``html`` and ``markdown`` write it
``write``         `write_report`, which brings these together
================  =============================================================================
"""

from xpmlp.report.comparison import Comparison
from xpmlp.report.part import FinishedPart, Interrupted, ReportPart
from xpmlp.report.schedule import ReportReporter
from xpmlp.report.write import Report, write_report

__all__ = ["Comparison", "FinishedPart", "Interrupted", "Report", "ReportPart", "ReportReporter", "write_report"]

"""Reproduction of the coursework report: each table and figure computed, compared, and set on one page.

================  =============================================================================
``coursework``    the figures printed in the coursework
``parts``         a module for each table or figure with its computation, and a file with its text
``text``          the filling in of these texts, with their tables and figures
``part``          the type of a part, and the record of a finished one
``fingerprint``   a hash of everything that a finished part depends on
``schedule``      computation of the missing parts
``comparison``    computed verdicts
``document``      the elements of a page; ``page`` sets it, ``html`` and ``markdown`` write it
``write``         `write_report`, which combines these
================  =============================================================================
"""

from xpmlp.report.comparison import Comparison
from xpmlp.report.part import FinishedPart, Interrupted, ReportPart
from xpmlp.report.schedule import ReportReporter
from xpmlp.report.write import Report, write_report

__all__ = ["Comparison", "FinishedPart", "Interrupted", "Report", "ReportPart", "ReportReporter", "write_report"]

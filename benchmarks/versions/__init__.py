"""Comparison of another version with the working tree: ``python -m benchmarks.versions FOLDER``, or ``--commit REV``.

============== =============================================================================
``cases``      the trainings, and their data in files for both versions
``comparison`` comparison of two trainings' numbers: by bits, or with tolerances of `xpmlp.verify`
``report``     times and verdicts of all cells, as a page and as JSON
============== =============================================================================

`benchmarks.contestants.version` trains, in processes that use only the public names of either version.
"""

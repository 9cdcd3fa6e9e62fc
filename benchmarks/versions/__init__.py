"""Another version of xpmlp beside the working tree: ``python -m benchmarks.versions FOLDER``, or ``--commit REV``.

============== =============================================================================
``cases``      the trainings, and their data as files that both versions read
``comparison`` the numbers of two trainings: bits, and tolerances of `xpmlp.verify`
``report``     times and verdicts of all cells, as a page and as JSON
============== =============================================================================

`benchmarks.contestants.version` trains, in processes that import nothing else of either version than its public names.
"""

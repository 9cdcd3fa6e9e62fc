"""One command for a quarter of an hour with a GPU: ``python -m benchmarks.gpu_round``.  See docs/gpu.md.

============ ====================================================================
``__main__``   options
``wheels``     packages for a machine without a network
``parts``      the list of parts in order of worth, with their costs
``rounds``     running parts, each in a process of its own and within its time
``part``       that process
``findings``   results and faults that a part reports
``record``     the state of all parts: one JSON and one Markdown file
``stand_in``   a stand-in in CuPy's place
============ ====================================================================

The other modules hold the parts: ``hardware``, ``parity``, ``memory``, ``suite``, ``training`` and ``timing``.
"""

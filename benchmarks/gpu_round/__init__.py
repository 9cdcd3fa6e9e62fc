"""One command for a quarter of an hour with a GPU: ``python -m benchmarks.gpu_round``.  See docs/gpu.md.

============ ====================================================================
``__main__``   options
``wheels``     packages for a machine without a network
``parts``      the list of parts in order of importance, with their costs
``rounds``     running of the parts, each in a separate process and within its time
``part``       the process of a part
``findings``   results and faults reported by a part
``record``     the state of all parts: one JSON and one Markdown file
``stand_in``   a stand-in for CuPy
============ ====================================================================

The other modules hold the parts: ``hardware``, ``parity``, ``memory``, ``suite``, ``training`` and ``timing``.
"""

"""One command for a quarter of an hour with a GPU: ``python -m benchmarks.gpu_round``.  See docs/gpu.md.

============ ====================================================================
``__main__``   options
``wheels``     packages for a machine without a network
``parts``      what a round consists of: the parts in order of worth, with their costs
``rounds``     running parts, each in a process of its own and within its time
``part``       that process
``findings``   what a part tells
``record``     what the round has learned: one JSON and one Markdown file
``stand_in``   a stand-in in CuPy's place
============ ====================================================================

The other modules hold the parts: ``hardware``, ``parity``, ``memory``, ``suite``, ``training`` and ``timing``.
"""

"""The floor on a GPU: launching as many kernels as our step does, and moving the bytes that it must move.

The kernels do nothing, and are replayed as a part of a CUDA graph, like ours.  The bytes are moved at the speed of a
copy within the GPU's memory.  For small batches the launches dominate.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.contestants.base import Contestant, ContestantError, Stretch
from benchmarks.contestants.ours import OnCupy

KERNELS = 1000
"""Number of kernels in the timed graph."""

COPIED_BYTES = 2**30
"""Size of the copied arrays, many times the GPU's cache."""

REPEATS = 20


class GpuFloor(Contestant):
    """The least time for a step with a number of kernels."""

    def prepare(self) -> None:
        """Count the kernels of a step, and the bytes."""
        ours = OnCupy(self.work, "gpu", self.threads)
        try:
            import cupy

            self.launches = _launches(ours)
        finally:
            ours.close()
        self.cupy = cupy
        sizes, batch = self.work.sizes, self.work.batch
        weights = sum(n_in * n_out for n_in, n_out in pairwise(sizes))
        per_call = ours.problem.training_fold.steps_per_call
        # the weights are read for the outputs, and read and written by the update; the batch is read as it is stored
        self.bytes = 3 * 4 * weights / per_call + batch * sizes[0]

    def stretch(self) -> Stretch:
        """Time a kernel and the copy of a byte."""
        cupy = self.cupy
        nothing = cupy.ElementwiseKernel("T x", "T y", "y = x", "nothing")
        source, target = cupy.zeros(COPIED_BYTES, "uint8"), cupy.zeros(COPIED_BYTES, "uint8")
        with cupy.cuda.Stream() as stream:
            x = cupy.zeros(32, "float32")
            nothing(x, x)
            stream.begin_capture()
            for _ in range(KERNELS):
                nothing(x, x)
            graph = stream.end_capture()
            launch = _seconds(stream, lambda: graph.launch(stream)) / KERNELS
            byte = _seconds(stream, lambda: cupy.copyto(target, source)) / (2 * COPIED_BYTES)
        steps = self.work.steps
        return Stretch(steps * (self.launches * launch + self.bytes * byte), steps, np.empty(0))


def _seconds(stream: Any, action: Callable[[], object]) -> float:
    """Measure the time of an action on the GPU."""
    action()
    stream.synchronize()
    started = time.perf_counter()
    for _ in range(REPEATS):
        action()
    stream.synchronize()
    return (time.perf_counter() - started) / REPEATS


def _launches(ours: OnCupy) -> float:
    """Count the nodes in the graph of a step."""
    ours.stretch()
    recordings = ours.problem.backend.recordings
    assert recordings is not None
    recording = max(recordings.made.values(), key=lambda one: one.steps)
    graph = recording.launch.__self__.graph  # type: ignore[attr-defined]
    nodes = ctypes.c_size_t()
    status = ctypes.CDLL("libcuda.so.1").cuGraphGetNodes(ctypes.c_void_p(graph.graph), None, ctypes.byref(nodes))
    if status:
        raise ContestantError(f"cuGraphGetNodes gave status {status}")
    return nodes.value / (recording.steps * ours.problem.training_fold.steps_per_call)

"""Kernel launches of an update on a GPU, counted on the stand-in: reading a rate there adds none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xp
import numpy as np
import pytest

from tests.backend.cupy_stand_in import Cublas, stand_in
from tests.networks import perceptron
from xpmlp.backend.cupy_ops import with_fused
from xpmlp.nn import DenseParameters, pure_ops
from xpmlp.optim import Hyperparameters, sgd

LAYERS = ((7, 5), (5, 3))


class Launches:
    """Counts kernels and elementwise functions; what the stand-in does within a kernel is none of its own."""

    count = 0
    within = False

    def counted(self, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def launch(*arguments: Any, **more: Any) -> Any:
            outermost, self.within = not self.within, True
            self.count += outermost
            try:
                return kernel(*arguments, **more)
            finally:
                self.within = not outermost

        return launch

    def array(self, values: Any) -> Any:
        """An array that counts what is done to it."""

        class Counting(np.ndarray):
            def __array_ufunc__(counting, ufunc: Any, method: str, *inputs: Any, out: Any = None, **more: Any) -> Any:  # noqa: N805
                plain = [one.view(np.ndarray) if isinstance(one, np.ndarray) else one for one in inputs]
                if out is not None:
                    more["out"] = tuple(one.view(np.ndarray) for one in out)
                result = self.counted(getattr(ufunc, method))(*plain, **more)
                return result.view(Counting) if out is None else out[0]

        return np.asarray(values, dtype="float64").view(Counting)


@pytest.mark.parametrize("batch", [4, 1])
@pytest.mark.parametrize(("runs", "updates"), [((), 2), ((1,), 2), ((3,), 4)], ids=["alone", "one", "stack"])
@pytest.mark.parametrize("decay", [None, 0.1])
def test_an_update_of_sgd(decay: float | None, runs: tuple[int, ...], updates: int, batch: int) -> None:
    launches, cupy = Launches(), stand_in(1)
    make = cupy.ElementwiseKernel
    cupy.ElementwiseKernel = lambda *source: launches.counted(make(*source))
    cublas: Any = Cublas(cupy, tf32=False)
    cublas.product = launches.counted(cublas.product)
    ops, rng = with_fused(pure_ops(xp), cupy, cublas), np.random.default_rng(0)
    parameters = [
        DenseParameters(*(launches.array(rng.normal(size=(*runs, *shape))) for shape in (layer, (1, layer[1]))))
        for layer in LAYERS
    ]
    activations, deltas = (
        [launches.array(rng.normal(size=(*runs, batch, layer[side]))) for layer in LAYERS] for side in (0, 1)
    )
    numbers = (None if value is None else np.full((*runs, 1, 1), value) for value in (0.1, decay, 0.9))
    rates = Hyperparameters(
        *(one if one is None else launches.array(one) for one in Hyperparameters.series(*numbers, 4))
    )
    layer, factors = perceptron(parameters, ["identity"]), list(zip(activations, deltas, strict=True))
    update = sgd(layer.kinds).update_from_factors
    assert update is not None
    for _ in range(2):  # the second time, when rows of ones are there
        launches.count = 0
        update(ops, layer, parameters, (), factors, rates)
    assert launches.count == len(LAYERS) * ((2 if batch == 1 else updates) + (decay is not None))

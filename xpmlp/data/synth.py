"""The coursework's synthetic set: points of the plane, classified by whether a quadratic form exceeds 0.6."""

from __future__ import annotations

import hashlib

import numpy as np

from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.splits import Split, hold_out_last
from xpmlp.errors import DataError

DEFAULT_VALIDATION_SIZE = 10_000
_EXAMPLES = 70_000
_Q = np.array([[1.0, -0.05], [1.0, 0.4]])
_THRESHOLD = 0.6


def load_synth(*, split: Split, validation_size: int | None) -> Dataset:
    """70,000 points ``x ~ N(0, I)`` with class ``x^T Q x > 0.6``; the last 10,000 validate, and none test.

    The points are drawn from NumPy's legacy generator with seed 0, whose stream NumPy keeps unchanged, so that
    every machine has the same ones as ``numpy.random.seed(0)`` gives.

    Raises
    ------
    DataError
        If the split asks for a test part.
    """
    if split != "validation":
        raise DataError(f'data.split = "{split}" needs a test part, and synth has none: use data.split = "validation"')
    x = np.random.RandomState(0).randn(_EXAMPLES, 2)
    y = (((x @ _Q) * x).sum(axis=1) > _THRESHOLD).astype("<i8")
    size = DEFAULT_VALIDATION_SIZE if validation_size is None else validation_size
    train, validation = hold_out_last(Part(x, y), size, "synth")
    return Dataset(
        name="synth",
        train=train,
        validation=validation,
        test=None,
        classes=np.arange(2),
        preprocessing=Preprocessing(),
        image_shape=None,
        feature_names=("x1", "x2"),
        hashes={
            "x": hashlib.sha256(x.astype("<f8", copy=False).tobytes()).hexdigest(),
            "y": hashlib.sha256(y.tobytes()).hexdigest(),
        },
    )

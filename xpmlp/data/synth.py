"""The coursework's synthetic set: points of the plane, classified by whether a quadratic form exceeds 0.6."""

from __future__ import annotations

import hashlib

import numpy as np

from xpmlp.data.dataset import Dataset, Part, Preprocessing
from xpmlp.data.format import Format, Request
from xpmlp.data.splits import hold_out_last

DEFAULT_VALIDATION_SIZE = 10_000
_EXAMPLES = 70_000
_Q = np.array([[1.0, -0.05], [1.0, 0.4]])
_THRESHOLD = 0.6


def load_synth(request: Request) -> Dataset:
    """Draw 70,000 points ``x ~ N(0, I)`` of class ``x^T Q x > 0.6``; the last 10,000 validate, and none test.

    The points come from NumPy's legacy generator with seed 0, whose stream NumPy keeps unchanged, so that they are the
    same on every machine, equal to those after ``numpy.random.seed(0)``.
    """
    x = np.random.RandomState(0).randn(_EXAMPLES, 2)
    y = (((x @ _Q) * x).sum(axis=1) > _THRESHOLD).astype("<i8")
    size = DEFAULT_VALIDATION_SIZE if request.validation_size is None else request.validation_size
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


SYNTH = Format(
    "70,000 points in the plane, in two classes",
    load_synth,
    ("validation_size",),
    has_test=False,
    where="computed when asked for",
)

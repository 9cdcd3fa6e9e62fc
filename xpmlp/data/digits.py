"""scikit-learn's bundled digits: 1,797 images of 8 x 8 with values 0 to 16, no download needed."""

from __future__ import annotations

import hashlib

import numpy as np

from xpmlp._optional import SCIKIT_LEARN
from xpmlp.data.format import DRAWN_PARTS, Format, Request
from xpmlp.data.table import Table


def read_digits(request: Request) -> Table:
    """Read all digits, as uint8."""
    with SCIKIT_LEARN.needed_by("data set digits"):
        from sklearn.datasets import load_digits  # heavy, so imported late

    bunch = load_digits()
    features = np.ascontiguousarray(bunch.data.astype(np.uint8))
    targets = bunch.target.astype(np.int64)
    return Table(
        name="digits",
        features=features,
        labels=targets,
        image_shape=(8, 8),
        feature_names=None,
        hashes={"digits": hashlib.sha256(features.tobytes() + targets.astype("<i8").tobytes()).hexdigest()},
        standardize=False,
        scale=1 / 16,
    )


DIGITS = Format("1,797 handwritten digits of 8 x 8 pixels", read_digits, DRAWN_PARTS, where="bundled with scikit-learn")

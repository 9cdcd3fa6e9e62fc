"""A trial on the digits that takes a few hundredths of a second."""

from __future__ import annotations

from typing import Any

from tests.digits import digits_config
from xpmlp.backend import DTypeName
from xpmlp.verify import Verification, parse_candidates, verify

SMALL = {"model.hidden_layer_sizes": [6, 5], "model.activation": "tanh", "train.batch_size": 16}


def verify_digits(
    backends: str = "numpy",
    changes: dict[str, Any] | None = None,
    *,
    steps: int = 12,
    dtype: DTypeName | None = "float64",
    reference: bool = False,
) -> Verification:
    """Verify a small network on the digits."""
    config = digits_config({**SMALL, **(changes or {})})
    return verify(config, parse_candidates(backends), steps=steps, dtype=dtype, reference=reference)

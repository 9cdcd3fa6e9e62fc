"""Measurements that fail, by device of array-api-strict; run in separate processes."""

from __future__ import annotations

import os

from xpmlp.backend.registry import Availability
from xpmlp.bench import Pace
from xpmlp.config import Config

PACE = Pace("1.0", "cpu", 100.0, 3200.0, 0.5, 100_000_000)


def dies_or_raises(config: Config, seconds: float) -> Pace:
    """Die on ``cpu``, raise on ``device1``, and give `PACE` elsewhere."""
    if config.backend.device == "cpu":
        os._exit(7)
    if config.backend.device == "device1":
        raise RuntimeError("a fault")
    return PACE


def only_no_float64(config: Config) -> Availability:
    """A probe that has found one device."""
    return Availability(config.backend.name, "1.0", ["no_float64"], False, None)


def two_gpus(config: Config) -> Availability:
    """A probe that has found the CPU and two GPUs."""
    return Availability(config.backend.name, "1.0", ["cpu", "cuda:0", "cuda:1"], True, None)

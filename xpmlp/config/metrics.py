"""Metrics that a training can optimise for, and the settings implied by each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpmlp.errors import ConfigError

METRICS: dict[str, dict[str, Any]] = {
    "log_loss": {"train.best_by": "refined_log_loss", "train.calibrate": True, "model.loss": "auto"},
    "error": {"train.best_by": "error", "model.label_smoothing": 0.1, "model.loss": "auto"},
    "auc": {"train.best_by": "auc", "model.label_smoothing": 0.0, "model.loss": "auto"},
    "rmse": {"train.best_by": "rmse", "model.loss": "auto"},
    "mae": {"train.best_by": "mae", "model.loss": "absolute"},
}
"""The values by dotted key that ``train.metric`` lays over the config's base."""

OF_TASK = {"classes": ("log_loss", "error", "auc"), "values": ("rmse", "mae")}
"""The metrics by task, the recipes' own first."""


def meant_by(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings, as tables, implied by the metric in a config's tables; none without a known metric."""
    train = tables.get("train")
    metric = train.get("metric") if isinstance(train, Mapping) else None
    settings: dict[str, dict[str, Any]] = {}
    for key, value in METRICS.get(metric, {}).items() if isinstance(metric, str) else ():
        section, name = key.split(".")
        settings.setdefault(section, {})[name] = value
    return settings


def task_of(metric: str | None) -> str:
    """Return the task of a metric, or "auto"."""
    return next((task for task, metrics in OF_TASK.items() if metric in metrics), "auto")


def check_metric(metric: str | None, task: str) -> None:
    """Refuse a metric of another task.

    Raises
    ------
    ConfigError
    """
    if metric not in (None, "none", *OF_TASK[task]) and task_of(metric) != "auto":
        raise ConfigError(
            f"train.metric = {metric} is for {task_of(metric)}, and the target is {task}: choose "
            f"{' or '.join(OF_TASK[task])}."
        )

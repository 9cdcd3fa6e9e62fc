"""The metric: a single key that sets the criterion, label smoothing and the loss."""

from __future__ import annotations

from typing import Any

import pytest

from tests.config.conftest import Write
from xpmlp.config import load_config
from xpmlp.config.metrics import METRICS, OF_TASK
from xpmlp.config.table import recipe_config
from xpmlp.errors import ConfigError
from xpmlp.nn import criteria

DATA = {"data.name": "arrays"}


@pytest.mark.parametrize(
    ("task", "metric", "meant"),
    [
        ("classes", "log_loss", {"train.best_by": "refined_log_loss", "model.loss": "auto"}),
        ("classes", "error", {"train.best_by": "error", "model.label_smoothing": 0.1}),
        ("classes", "auc", {"train.best_by": "auc", "model.label_smoothing": 0.0}),
        ("values", "rmse", {"train.best_by": "rmse", "model.loss": "auto"}),
        ("values", "mae", {"train.best_by": "mae", "model.loss": "absolute"}),
    ],
)
def test_decides(task: str, metric: str, meant: dict[str, Any]) -> None:
    config = recipe_config(task, {**DATA, "train.metric": metric})
    for key, value in meant.items():
        section, name = key.split(".")
        assert getattr(getattr(config, section), name) == value
    assert config.train.metric == metric


@pytest.mark.parametrize("task", ["classes", "values"])
def test_the_recipe_is_for_the_first(task: str) -> None:
    plain, told = (recipe_config(task, {**DATA, **more}) for more in ({}, {"train.metric": OF_TASK[task][0]}))
    assert told.model_copy(update={"train": told.train.model_copy(update={"metric": None})}) == plain


def test_keys_beside_it_and_above_it_overrule_it(write: Write) -> None:
    write('[data]\nname = "digits"\n[train]\nbest_by = "loss"\n[model]\nlabel_smoothing = 0.3', "below.toml")
    path = write('extends = "below.toml"\n[train]\nmetric = "error"\n[model]\nlabel_smoothing = 0.2')
    config = load_config(path)
    assert (config.train.best_by, config.model.label_smoothing) == ("error", 0.2)
    for overrides in ({"train.best_by": "log_loss", "train.metric": "auc"}, {"train.metric": "none"}):
        config = load_config(path, overrides)
        assert config.train.best_by == overrides.get("train.best_by", "error")
    assert load_config(path, {"train.metric": "auc"}).model.label_smoothing == 0.0


def test_for_the_other_task_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"train\.metric = mae is for values, and the target is classes: choose log_"):
        recipe_config("classes", {**DATA, "train.metric": "mae"})
    with pytest.raises(ConfigError, match=r'did you mean "log_loss"\?'):
        recipe_config("classes", {**DATA, "train.metric": "log_los"})


def test_its_figures_are_for_its_task() -> None:
    for task, metrics in OF_TASK.items():
        for metric in metrics:
            assert task in criteria[METRICS[metric]["train.best_by"]].targets

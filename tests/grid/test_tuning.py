"""Tuning: trials are members of the vote, the best settings are trained, and trials continue when resumed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpmlp
from tests.grid import faults
from tests.grid.small import grid_config, write_data
from xpmlp._optional import Library, NotInstalledError
from xpmlp.config import Config
from xpmlp.errors import ConfigError, RunFolderError
from xpmlp.grid import Trial, TuningReporter, trials, tune, tuning
from xpmlp.grid.trials import Blocks, config_with, settings_in

pytest.importorskip("optuna", reason="needs Optuna, of the extra tune")


class Heard(TuningReporter):
    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.best: Trial | None = None

    def trial(self, trial: Trial, best: Trial | None) -> None:
        self.trials.append(trial)
        self.best = best


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return grid_config(write_data(tmp_path / "data.npz"), train={"folds": 2, "best_by": "log_loss", "epochs": 3})


def test_ends_in_a_vote_with_the_best_settings(config: Config, tmp_path: Path) -> None:
    heard = Heard()
    result = tune(config, tmp_path / "run", minutes=5, trials=4, workers=1, reporter=heard)
    assert result is not None
    assert [trial.number for trial in heard.trials] == [0, 1, 2, 3]
    assert (
        heard.trials[0].settings == settings_in(config) == {"learning_rate": 0.5, "width": 5, "depth": 1, "dropout": 0}
    )
    assert heard.best is not None
    assert heard.best.figure == min(trial.figure or math.inf for trial in heard.trials)
    chosen = config_with(config, heard.best.settings)
    assert result.network.root.repeats == 2
    again = xpmlp.load_config(tmp_path / "run" / "config.toml")
    assert (again.model, again.train) == (chosen.model, chosen.train)
    assert again.model.hidden_layer_sizes == [heard.best.settings["width"]] * heard.best.settings["depth"]
    assert xpmlp.load_config(tmp_path / "run" / "tuning" / "best.toml").train == chosen.train


def test_a_learning_rate_of_zero_is_left_out(config: Config, tmp_path: Path) -> None:
    heard, still = Heard(), config.replaced(train={"learning_rate": 0.0})
    assert tune(still, tmp_path / "run", minutes=5, trials=1, workers=1, reporter=heard) is not None
    assert heard.trials[0].settings == {"width": 5, "depth": 1, "dropout": 0}
    assert xpmlp.load_config(tmp_path / "run" / "config.toml").train.learning_rate == 0


@pytest.mark.slow
def test_an_error_in_a_process_stops_the_others(config: Config, tmp_path: Path) -> None:
    job = faults.FailingJob(config, tmp_path / "journal", 0.0, math.inf, None)
    with pytest.raises(ValueError, match="the dice fell off the table"):
        tuning._over_processes(job, 2, TuningReporter(), lambda: False, lambda: None)


def test_few_rows_have_fewer_folds(tmp_path: Path) -> None:
    data = tmp_path / "few.npz"
    np.savez(data, features=np.eye(5), target=[0, 1, 0, 1, 0])
    few = grid_config(data, train={"folds": 5, "best_by": "log_loss", "epochs": 1}).replaced(
        data={"validation_size": 2}
    )
    assert tune(few, tmp_path / "run", minutes=5, trials=1, workers=1, reporter=Heard()) is not None


def test_a_trial_is_the_first_member_of_the_vote(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, kept = Heard(), []
    trained = trials.train_block

    def train_block(*arguments: Any) -> Any:
        kept.extend(runs := trained(*arguments))
        return runs

    monkeypatch.setattr(trials, "train_block", train_block)
    result = tune(config, tmp_path / "run", minutes=5, trials=1, workers=1, reporter=heard)
    assert result is not None
    assert heard.trials[0].figure == kept[0].best_loss
    assert kept[0].losses.tolist() == pytest.approx(result.history.batch_losses[:, 0].tolist(), rel=1e-12)


def test_goes_on_where_it_was_stopped(config: Config, tmp_path: Path) -> None:
    first, second = Heard(), Heard()
    stopped = tune(
        config, tmp_path / "run", minutes=5, workers=1, reporter=first, should_stop=lambda: len(first.trials) >= 2
    )
    assert stopped is None
    assert [trial.number for trial in first.trials] == [0, 1]
    assert xpmlp.load_config(tmp_path / "run" / "tuning" / "best.toml").data == config.data
    with pytest.raises(RunFolderError, match="not empty"):
        tune(config, tmp_path / "run", minutes=5)
    with pytest.raises(RunFolderError, match="of another config"):
        tune(config.model_copy(update={"model": config.model.model_copy(update={"init": "he_normal"})}),
             tmp_path / "run", minutes=5, resume=True)  # fmt: skip
    result = tune(config, tmp_path / "run", minutes=5, trials=1, workers=1, resume=True, reporter=second)
    assert result is not None
    assert len(second.trials) == 1
    assert second.trials[0].number not in (0, 1)
    anew = Heard()
    tune(config, tmp_path / "run", minutes=5, trials=1, workers=1, overwrite=True, reporter=anew)
    assert [trial.number for trial in anew.trials] == [0]


@pytest.mark.slow  # two processes
def test_processes_try_side_by_side(config: Config, tmp_path: Path) -> None:
    heard = Heard()
    assert tune(config, tmp_path / "run", minutes=5, trials=4, workers=2, reporter=heard) is not None
    assert len(heard.trials) in (4, 5)


def test_without_time_the_configs_own_settings_are_trained(config: Config, tmp_path: Path) -> None:
    heard = Heard()
    result = tune(config, tmp_path / "run", minutes=0, workers=1, reporter=heard)
    assert result is not None
    assert not heard.trials
    assert xpmlp.load_config(tmp_path / "run" / "config.toml").model == config.model


def test_a_vote_that_does_not_fit_has_fewer_epochs(config: Config, tmp_path: Path) -> None:
    long = config.replaced(train={"epochs": 1_000_000})
    tune(long, tmp_path / "run", minutes=0.06, workers=1)
    trained = xpmlp.load_config(tmp_path / "run" / "config.toml").train
    assert isinstance(trained.epochs, int)
    assert trained.epochs < 1_000_000
    assert xpmlp.load_config(tmp_path / "run" / "tuning" / "best.toml").train == long.train


def test_refused(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFolderError, match="holds no tuning to continue"):
        tune(config, tmp_path / "run", minutes=1, resume=True)
    digits = Config(data={"name": "digits", "split": "test"})
    with pytest.raises(ConfigError, match="trials need rows to be judged by"):
        tune(digits, tmp_path / "run", minutes=1)
    grid = Config(data={"name": "digits"}, grid={"runs": 2})
    with pytest.raises(ConfigError, match="tuning chooses settings itself"):
        tune(grid, tmp_path / "run", minutes=1)
    with pytest.raises(
        ConfigError, match=r'^model\.loss = "a:LOSS" is code from outside of xpmlp, and tuning imports none'
    ):
        tune(config.replaced(model={"loss": "a:LOSS"}), tmp_path / "run", minutes=1)
    monkeypatch.setattr("xpmlp.grid.tuning.OPTUNA", Library("no_optuna", "Optuna", "'xpmlp[tune]'"))
    with pytest.raises(
        NotInstalledError, match=r"xpmlp tune needs Optuna, .*: install it with `pip install 'xpmlp\[tu"
    ):
        tune(config, tmp_path / "run", minutes=1)


@pytest.mark.parametrize("recipe", ["table", "table-values"])
def test_the_recipes_settings(recipe: str) -> None:
    config = xpmlp.load_config(f"xpmlp:{recipe}.toml")
    found = settings_in(config)
    assert {"learning_rate", "weight_decay", "dropout", "width", "depth"} <= found.keys()
    assert ("label_smoothing" in found) == (recipe == "table")
    assert config_with(config, found) == config
    other = config_with(config, {**found, "width": 64, "depth": 2, "dropout": 0.3})
    kinds = [layer["kind"] for layer in other.model.layers]
    assert kinds.count("dense") == 2
    assert [layer["units"] for layer in other.model.layers if layer["kind"] == "dense"] == [64, 64]
    assert {layer["rate"] for layer in other.model.layers if layer["kind"] == "dropout"} == {0.3}
    assert Config.model_validate(other.model_dump()) == other


def test_layers_without_blocks_stay() -> None:
    layers = [{"kind": "dense", "units": 8}, {"kind": "activation", "name": "relu"}]
    assert Blocks(layers).times == 1
    assert Blocks([{"kind": "scaling"}]).times == 0
    config = Config(data={"name": "digits"}, model={"layers": [{"kind": "scaling"}]})
    assert settings_in(config) == {"learning_rate": config.train.learning_rate}

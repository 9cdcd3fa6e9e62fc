"""Settings without effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xpmlp.config import load_config, unused_settings

UNUSED = {
    "[train]\nmomentum = 0.5": (
        'train.momentum = 0.5 has no effect with train.optimizer = "sgd": it is for "momentum" or "nesterov".'
    ),
    "[train]\nbeta_1 = 0.5\noptimizer = 'nesterov'": "train.beta_1 = 0.5",
    "[train]\nbeta_2 = 0.5": "train.beta_2 = 0.5",
    "[train]\nepsilon = 0.5": "train.epsilon = 0.5",
    "[train]\npower_t = 1.5": 'train.power_t = 1.5 has no effect with train.schedule = "constant"',
    "[train]\ntol = 0.5\nschedule = 'cosine'": "train.tol = 0.5",
    "[train]\nn_iter_no_change = 3": "train.n_iter_no_change = 3",
    "[model]\ninit_scale = 1": 'model.init_scale = 1.0 has no effect with model.init = "glorot_uniform"',
    "split = 'test'\nvalidation_size = 5": 'data.validation_size = 5 has no effect with data.split = "test"',
    "[backend]\nname = 'jax'\nthreads = 2": 'backend.threads = 2 has no effect with backend.name = "jax"',
    "[backend]\ntf32 = true": 'backend.tf32 = true has no effect with backend.name = "numpy"',
    "[train]\nmin_improvement = 0.1": "train.min_improvement = 0.1 has no effect without early stopping",
    "[train]\njudge_folds = 'together'": 'train.judge_folds = "together" has no effect without folds',
    "[output]\nkeep = 3\ncheckpoint_every = 'none'": (
        'output.keep = 3 has no effect with output.checkpoint_every = "none".'
    ),
    "[grid]\nworkers = 2": "grid.workers = 2 has no effect on a single run: it is for a grid of several.",
    "[grid]\nblock_width = 2": "grid.block_width = 2",
    "[grid]\nscheduler = 'tcp://host:1'": "grid.scheduler = ",
}
CONFIGS = Path(__file__).parents[2] / "configs"
USED = [
    "[train]\nmomentum = 0.9",
    "[train]\nmomentum = 0.5\noptimizer = 'momentum'",
    "[train]\nmomentum = 0.5\n[grid]\noptimizer = ['sgd', 'nesterov']",
    "[train]\nbeta_1 = 0.5\noptimizer = 'adam'",
    "[train]\ntol = 0.5\nn_iter_no_change = 3\nschedule = 'adaptive'",
    "[model]\ninit = 'normal'\ninit_scale = 1",
    "seed = 3\nsplit = 'three-way'\nvalidation_size = 5",
    "[train]\nmin_improvement = 0.1\npatience = 2",
    "[train]\njudge_folds = 'together'\nfolds = 3\n[output]\nkeep = 3",
    "[grid]\nworkers = 2\nruns = 2",
]
Write = Callable[[str], Path]


@pytest.mark.parametrize("text", UNUSED)
def test_each_unused_setting_gets_its_sentence(write: Write, text: str) -> None:
    (sentence,) = unused_settings(load_config(write(f"[data]\nname = 'digits'\n{text}")))
    assert sentence.startswith(UNUSED[text])


def test_the_split_seed_is_for_data_without_parts(write: Write) -> None:
    synth = "[data]\nname = 'synth'\nseed = 3"
    assert list(unused_settings(load_config(write(f"{synth}\n[train]\nfolds = 3")))) == []  # which it draws
    (sentence,) = unused_settings(load_config(write(synth)))
    assert (
        sentence
        == 'data.seed = 3 has no effect with data.name = "synth": it is for "digits" or "csv" or "npz" or "table".'
    )


@pytest.mark.parametrize("text", USED)
def test_what_is_used_is_not_remarked_upon(write: Write, text: str) -> None:
    assert list(unused_settings(load_config(write(f"[data]\nname = 'digits'\n{text}")))) == []


@pytest.mark.parametrize("name", [path.name for path in CONFIGS.glob("*.toml")])
def test_no_config_of_ours_has_any(name: str) -> None:
    assert list(unused_settings(load_config(CONFIGS / name))) == []

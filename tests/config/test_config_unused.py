"""Settings that a config changes to no effect."""

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
}
CONFIGS = Path(__file__).parents[2] / "configs"
USED = [
    "[train]\nmomentum = 0.9",
    "[train]\nmomentum = 0.5\noptimizer = 'momentum'",
    "[train]\nmomentum = 0.5\n[grid]\noptimizer = ['sgd', 'nesterov']",
    "[train]\nbeta_1 = 0.5\noptimizer = 'adam'",
    "[train]\ntol = 0.5\nn_iter_no_change = 3\nschedule = 'adaptive'",
    "[model]\ninit = 'normal'\ninit_scale = 1",
]
Write = Callable[[str], Path]


@pytest.mark.parametrize("text", UNUSED)
def test_each_unused_setting_gets_its_sentence(write: Write, text: str) -> None:
    (sentence,) = unused_settings(load_config(write(f"[data]\nname = 'digits'\n{text}")))
    assert sentence.startswith(UNUSED[text])


@pytest.mark.parametrize("text", USED)
def test_what_is_used_is_not_remarked_upon(write: Write, text: str) -> None:
    assert list(unused_settings(load_config(write(f"[data]\nname = 'digits'\n{text}")))) == []


@pytest.mark.parametrize("name", [path.name for path in CONFIGS.glob("*.toml")])
def test_no_config_of_ours_has_any(name: str) -> None:
    assert list(unused_settings(load_config(CONFIGS / name))) == []

"""Modules that are imported, and modules that are imported only when needed: tested in separate processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"sklearn", "scipy", "matplotlib", "torch", "jax", "cupy", "array_api_strict", "polars", "pooch", "distributed"}

COMMAND = """
import sys
from xpmlp.cli import main
sys.argv = ["xpmlp", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""

TRAIN = """
import numpy as np
images = np.random.default_rng(0).integers(0, 256, (90, 28, 28), dtype=np.uint8)
np.savez("images.npz", features=images, target=np.arange(90) % 3)
import xpmlp
from xpmlp.config import Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
config = Config(
    data=DataConfig(name="npz", path="images.npz"),
    model=ModelConfig(hidden_layer_sizes=[8]),
    train=TrainConfig(epochs=1, batch_size=16),
    output=OutputConfig(plots=False),
)
result = xpmlp.train(config, out="run")
assert result.backend.name == "numpy"
xpmlp.evaluate("run")
xpmlp.predict("run", images)
"""


def imported_by(code: str, folder: Path) -> set[str]:
    """The heavy packages that a fresh Python has imported after ``code``; what it prints does not matter."""
    code += "\nimport sys; print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.splitlines()[-1].split())
    assert "xpmlp" in modules
    return modules & HEAVY


def test_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import xpmlp; xpmlp.__version__; dir(xpmlp); xpmlp.nn.Layer; xpmlp.optim.sgd"
    assert imported_by(code, tmp_path) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    assert imported_by(COMMAND.format(arguments=arguments), tmp_path) == set()


@pytest.mark.slow
def test_a_training_on_numpy_imports_no_other_library(tmp_path: Path) -> None:
    assert imported_by(TRAIN, tmp_path) <= {"sklearn", "scipy"}  # SciPy's BLAS, and scikit-learn's splits


@pytest.mark.slow
@pytest.mark.parametrize("name", ["synth", pytest.param("mnist", marks=pytest.mark.real_data)])
def test_a_training_without_a_stratified_split_needs_no_scikit_learn(tmp_path: Path, name: str) -> None:
    arguments = ["train", str(ROOT / "configs" / f"{name}.toml"), "--out", "run", "--quiet"]
    for change in ("train.epochs=1", "train.batch_size=5000", "output.plots=false"):
        arguments += ["--set", change]
    assert imported_by(COMMAND.format(arguments=arguments), tmp_path) == {"scipy"}
    assert (tmp_path / "run" / "run.json").is_file()


@pytest.mark.parametrize(
    "name", ["Config", "XpmlpError", "load_config", "train", "train_grid", "evaluate", "predict", "from_arrays"]
)
def test_every_public_name_is_there(name: str) -> None:
    import xpmlp

    assert name in xpmlp.__all__
    assert getattr(xpmlp, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    import xpmlp

    with pytest.raises(AttributeError, match="has no attribute 'tain'"):
        _ = xpmlp.tain

"""Comparison of two versions: differences are found and judged, without internals of the other version."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.contestants import Entry
from benchmarks.contestants import version as contestant
from benchmarks.contestants.version import Numbers, Training
from benchmarks.seat import Seat
from benchmarks.versions.__main__ import BACKENDS, ROOT, main
from benchmarks.versions.cases import CASES
from benchmarks.versions.comparison import compare
from benchmarks.versions.report import Cell, geometric_mean, summary
from xpmlp.verify.tolerances import TOLERANCES

ALLOWED = TOLERANCES["float32"]

FAKE = """
from types import SimpleNamespace
import numpy as np
def load_config(path, overrides):
    return {"file": path.name, **overrides}
def from_arrays(x, y, *, validation, scale, values):
    return x, y, validation, scale, values
def train(config, *, data):
    x, y, (of_validation, _), scale, values = data
    assert (config["file"], config["backend.name"], config["backend.dtype"]) == ("quickstart.toml", "numpy", "float32")
    history = SimpleNamespace(batch_losses=x[:, 0] * scale, validation_loss=of_validation[:, 0])
    parameters = [(np.ones((2, 3)), np.zeros((1, 3))), {"scale": np.full(2, config["train.epochs"])}]
    return SimpleNamespace(history=history, parameters=parameters)
"""
"""A version without anything but public names."""


def numbers(dtype: str = "float32") -> Numbers:
    losses, validation = np.linspace(2, 1, 20, dtype=dtype), np.asarray([1.5, 1.25])
    return Numbers(losses, validation, [np.linspace(-1, 1, 6, dtype=dtype), np.asarray([0.5], dtype)])


def test_equal_numbers_have_the_same_bits() -> None:
    assert compare(numbers(), numbers(), "float32", "sgd") == (True, None, 0.0, 0.0, 0.0)


def test_one_bit_of_a_loss_is_found_and_is_within_the_tolerance() -> None:
    new = numbers()
    new.losses[7] = np.nextafter(new.losses[7], np.float32(9))
    found = compare(numbers(), new, "float32", "sgd")
    assert (found.same_bits, found.first, found.weights) == (False, 8, 0.0)
    assert 0 < found.losses < 1e-6
    assert not Cell("mnist", "numpy", bitwise=True, comparisons={"float32": found}).holds
    assert Cell("stack", "numpy", bitwise=False, comparisons={"float32": found}).holds


def test_a_stack_of_losses_is_compared_step_by_step() -> None:
    old, new = (numbers()._replace(losses=np.ones((20, 3), np.float32)) for _ in range(2))
    new.losses[4, 2] *= 1.5
    assert compare(old, new, "float32", "sgd")[:3] == (False, 5, 0.5)


@pytest.mark.parametrize(("part", "holds"), [(0.9, True), (1.1, False)])
def test_a_loss_is_judged_by_the_tolerance_of_its_step(part: float, holds: bool) -> None:
    new = numbers("float64")
    new.losses[10] *= 1 + part * (ALLOWED.first + 10 * ALLOWED.further)
    found = compare(numbers("float64"), new, "float32", "sgd")
    assert found.excess == pytest.approx(part)
    assert Cell("mnist", "torch", bitwise=False, comparisons={"float32": found}).holds is holds


@pytest.mark.parametrize(("optimizer", "holds"), [("sgd", False), ("adam", True)])
def test_weights_are_judged_by_the_tolerance_of_the_last_step(optimizer: str, holds: bool) -> None:
    new = numbers("float64")
    new.weights[1][:] *= 1 + 10 * (ALLOWED.first + 19 * ALLOWED.further)
    found = compare(numbers("float64"), new, "float32", optimizer)
    assert found.first is None
    assert (found.excess <= 1) is holds


def test_a_validation_loss_counts() -> None:
    new = numbers()
    new.validation[1] = 1.3
    assert compare(numbers(), new, "float32", "sgd").excess > 1


@pytest.mark.parametrize(
    "new",
    [
        numbers()._replace(losses=np.full(20, np.nan, np.float32)),
        numbers()._replace(losses=numbers().losses[:19]),
        numbers()._replace(weights=numbers().weights[:1]),
    ],
    ids=["NaN", "a step less", "an array less"],
)
def test_what_is_not_a_number_or_missing_does_not_hold(new: Numbers) -> None:
    found = compare(numbers(), new, "float32", "sgd")
    assert not Cell("mnist", "torch", bitwise=False, comparisons={"float32": found}).holds


def test_the_last_dtype_is_judged() -> None:
    other = compare(numbers(), numbers()._replace(validation=np.ones(2)), "float32", "sgd")
    same = compare(numbers(), numbers(), "float64", "sgd")
    assert Cell("quickstart", "jax", bitwise=False, comparisons={"float32": other, "float64": same}).holds
    assert not Cell("quickstart", "jax", bitwise=False, comparisons={"float32": same, "float64": other}).holds
    assert not Cell("quickstart", "jax", bitwise=False, problem="not installed").holds


def test_times_are_compared_within_rounds() -> None:
    equal = {"float32": compare(numbers(), numbers(), "float32", "sgd")}
    slow = Cell("mnist", "numpy", bitwise=True, comparisons=equal, old=[1.0, 2.0, 4.0], new=[1.0, 4.0, 8.0])
    fast = Cell("synth", "numpy", bitwise=True, comparisons=equal, old=[1.0, 1.0], new=[0.5, 0.5])
    untimed = Cell("stack", "numpy", bitwise=False, comparisons=equal)
    assert slow.ratios is not None
    assert slow.ratios.median == 2.0
    assert untimed.ratios is None
    assert geometric_mean([slow, fast, untimed]) == pytest.approx(1.0)
    text = "\n".join(summary([slow, fast, untimed]))
    assert "same in 3 of 3 cells" in text
    assert "Over 1.05: mnist on numpy." in text
    assert "as they must be in all" in text


def test_the_clock_leaves_out_the_first_epoch_and_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 50.0, 60.0, 60.25, 60.5, 70.0])  # begin; segment, epoch; segment, segment, epoch
    monkeypatch.setattr(contestant, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    clock = contestant._Clock(0.5)
    clock.begin(2, 4, "accuracy")
    clock.segment(SimpleNamespace(step=4))
    clock.epoch(0, None)
    assert not clock.enough()
    clock.segment(SimpleNamespace(step=3))
    clock.segment(SimpleNamespace(step=4))
    clock.epoch(0, None)
    clock.something_new("that only one version tells")
    assert (clock.seconds, clock.steps, clock.enough()) == (0.5, 4, True)


def test_another_version_needs_public_names_only(tmp_path: Path) -> None:
    (tmp_path / "xpmlp").mkdir()
    (tmp_path / "xpmlp" / "__init__.py").write_text(FAKE)
    x = np.arange(10.0).reshape(5, 2)
    np.savez(tmp_path / "data.npz", features=x, target=np.zeros(5))
    training = Training(
        CASES["quickstart"].file,
        {},
        tmp_path / "data.npz",
        examples=3,
        scale=0.5,
        values=False,
        epochs=7,
        stacked=False,
    )
    seat = Seat(Entry("fake", "fake", BACKENDS["numpy"].where, "cpu"), 1, packages=tmp_path)
    try:
        seat.ask("prepare", training)
        assert seat.ask("home") == tmp_path / "xpmlp"
        given: Numbers = seat.ask("numbers", "float32")
    finally:
        seat.close()
    assert given.losses.tolist() == [0.0, 1.0, 2.0]
    assert given.validation.tolist() == [6.0, 8.0]
    assert [leaf.tolist() for leaf in given.weights] == [[1.0] * 6, [0.0] * 3, [7, 7]]


@pytest.mark.parametrize(
    ("name", "examples", "epochs"), [("quickstart", 640, 1), ("synth", 640, 1), ("diabetes", 317, 2)]
)
def test_cases_are_cut_to_their_steps(name: str, examples: int, epochs: int, tmp_path: Path) -> None:
    training = CASES[name].training(20, tmp_path)
    assert (training.examples, training.epochs) == (examples, epochs)
    with np.load(training.data) as file:
        assert len(file["features"]) == len(file["target"]) > examples


@pytest.mark.slow
@pytest.mark.parametrize("planted", [False, True])
def test_a_planted_change_is_found(planted: bool, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "xpmlp", other / "xpmlp", ignore=shutil.ignore_patterns("__pycache__"))
    if planted:
        with (other / "xpmlp" / "__init__.py").open("a") as file:
            file.write(
                "from xpmlp.config import load_config as _load\n"
                "def load_config(path, overrides):\n"
                "    return _load(path, overrides={**overrides, 'train.learning_rate': 0.0030001})\n"
            )
    options = ["--cases", "quickstart", "--backends", "numpy-alone", "--steps", "20", "--threads", "1"]
    options += ["--rounds", "2", "--seconds", "0.01", "--out", str(tmp_path)]
    assert main([str(other), *options]) == int(planted)
    (cell,) = json.loads((tmp_path / "versions.json").read_text())["cells"]
    assert cell["problem"] is None
    found = cell["comparisons"]["float32"]
    assert (found["same_bits"], found["first"]) == ((False, 2) if planted else (True, None))
    assert len(cell["old"]) == len(cell["new"]) == 2
    assert math.isfinite(cell["ratio"]["median"])
    assert "| numpy-alone | quickstart |" in (tmp_path / "versions.md").read_text()


@pytest.mark.slow
def test_a_folder_without_another_version_is_refused(tmp_path: Path) -> None:
    options = ["--cases", "quickstart", "--backends", "numpy-alone", "--steps", "2", "--no-time"]
    with pytest.raises(SystemExit, match="Both versions are the one in"):
        main([str(tmp_path), *options, "--out", str(tmp_path)])


def test_a_checkout_is_refused() -> None:
    with pytest.raises(SystemExit, match="is a checkout"):
        main([str(ROOT)])

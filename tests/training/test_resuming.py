"""Run folders that go on: the same bits as without the interruption, or a sentence that says why not."""

from __future__ import annotations

import copy
import functools
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import xpmlp
from tests.digits import STEPS, digits_config
from tests.helpers import relative_difference
from xpmlp.backend import Backend
from xpmlp.checkpoint import load_network, read_sealed, write_sealed
from xpmlp.config import Config, OutputConfig
from xpmlp.errors import RunFolderError
from xpmlp.training import Progress, Reporter, Result, held_back, resuming
from xpmlp.training.checkpoints import Checkpoints

FREQUENT = {"output.checkpoint_every": "7 steps", "train.segment_steps": 3}

FILES = ("config.toml", "epochs.csv", "batch_losses.npy", "weights.safetensors", "train_after.csv")


class Listener(Reporter):
    """Notes what it hears, and fails in a segment like a process that dies."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.segments, self.dies_at = 0, dies_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def segment(self, progress: Progress) -> None:
        self.segments += 1
        if self.segments == self.dies_at:
            raise Death


class Death(BaseException):
    """Nothing in the program catches it."""


def dies(config: Config, folder: Path, segments: int, **how: Any) -> None:
    """Begin a training, or resume it, and end it in the middle."""
    with pytest.raises(Death):
        xpmlp.train(config, folder, reporter=Listener(segments), **how)


def resumed(config: Config, folder: Path, **how: Any) -> tuple[Result, list[str]]:
    listener = Listener()
    return xpmlp.train(config, folder, resume=True, reporter=listener, **how), listener.notes


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}


KINDS: dict[str, dict[str, Any]] = {
    "sgd": {"train.optimizer": "sgd", "train.learning_rate": 0.1},
    "nesterov": {"train.optimizer": "nesterov", "train.weight_decay": 0.001, "train.schedule": "adaptive"},
    "adam": {"train.evaluate_train": True},
    "cosine": {"train.schedule": "cosine"},
    "dropout": {"model.dropout": 0.3},
    "early stopping": {"train.patience": 1, "train.min_improvement": 0.3, "train.epochs": 8},
    "no shuffling": {"train.shuffle": False},
    "torch": {"backend.name": "torch"},
    "jax": {"backend.name": "jax"},
    "float64": {"backend.dtype": "float64", "backend.fused": False},
}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_twice_and_ended_bitwise_the_same(
    kind: str, tmp_path: Path, get_backend: Callable[..., Backend]
) -> None:
    get_backend(KINDS[kind].get("backend.name", "numpy"))
    config = digits_config({**FREQUENT, **KINDS[kind]})
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 6)
    dies(config, tmp_path / "run", 20, resume=True)
    _, (where,) = resumed(config, tmp_path / "run")
    assert where == f"resuming after 62 steps, in epoch 2 of {config.train.epochs}, with 21 of its 41 steps done"
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_updates_that_are_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_back, "LEAST_INPUTS", 1)
    sgd = {**KINDS["sgd"], "train.batch_size": 8, "train.segment_steps": 20, "output.checkpoint_every": "20 steps"}
    config = digits_config(sgd)
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 5)
    _, (where,) = resumed(config, tmp_path / "run")
    assert where.startswith("resuming after 80 steps, in epoch 1 ")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["adam", "dropout", "torch", "jax"])
def test_twice_as_many_epochs(kind: str, tmp_path: Path, get_backend: Callable[..., Backend]) -> None:
    get_backend(KINDS[kind].get("backend.name", "numpy"))
    short, long = (digits_config({**FREQUENT, **KINDS[kind], "train.epochs": n}) for n in (2, 4))
    xpmlp.train(long, tmp_path / "whole")
    xpmlp.train(short, tmp_path / "run")
    _, (where,) = resumed(long, tmp_path / "run")
    assert where == f"resuming after {2 * STEPS} steps, in epoch 3 of 4, at its beginning"
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["adam", "early stopping"])
def test_nothing_left_to_do(kind: str, tmp_path: Path) -> None:
    config = digits_config(KINDS[kind])
    first = xpmlp.train(config, tmp_path / "run")
    before = files(tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").unlink()
    again, (note,) = resumed(config, tmp_path / "run")
    assert note == f"nothing is left to train: it has ended after {len(first.run.losses)} steps"
    assert files(tmp_path / "run") == before, "what was lost is written again"
    assert again.run.test == first.run.test
    assert again.run.status == first.run.status


def test_none_yet(tmp_path: Path) -> None:
    config = digits_config()
    folder = tmp_path / "run"
    _, notes = resumed(config, folder)
    assert notes == [f"there is no checkpoint in {folder} yet: training from the beginning"]
    xpmlp.train(config, tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")
    dies(config, tmp_path / "killed", 1)
    _, notes = resumed(config, tmp_path / "killed")
    assert notes == [f"there is no checkpoint in {tmp_path / 'killed'} yet: training from the beginning"]
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_damaged_newest_checkpoint(tmp_path: Path) -> None:
    config = digits_config(FREQUENT)
    xpmlp.train(config, tmp_path / "whole")
    dies(config, tmp_path / "run", 10)
    before, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    newest.write_bytes(newest.read_bytes()[:-100])
    _, (damaged, where) = resumed(config, tmp_path / "run")
    assert damaged.startswith(f"the checkpoint {newest.name} is damaged (")
    assert where.startswith(f"resuming after {int(before.stem.removeprefix('step-'))} steps")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_all_damaged(tmp_path: Path) -> None:
    config = digits_config(FREQUENT)
    dies(config, tmp_path / "run", 10)
    for path in (tmp_path / "run" / "checkpoints").glob("step-*"):
        path.write_bytes(b"rubbish")
    with pytest.raises(RunFolderError, match=r"every checkpoint in .* is damaged: train again with --overwrite"):
        resumed(config, tmp_path / "run")


@pytest.mark.parametrize(
    "figures",
    [
        np.float64(1),
        np.ones((2, 5)),
        np.ones((2, 6), np.float32),
        np.full((2, 6), np.nan),  # no epoch has such a number
        np.full((2, 6), 1.5),
        np.ones((3, 6)),
    ],
    ids=str,
)
def test_a_sound_checkpoint_whose_epochs_cannot_be(tmp_path: Path, figures: npt.NDArray[Any]) -> None:
    xpmlp.train(digits_config(FREQUENT), tmp_path / "run")
    *_, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    description, tensors = read_sealed(newest)
    assert tensors["runs.0.epochs.figures"].shape == (2, 6)
    write_sealed(newest, description, tensors | {"runs.0.epochs.figures": np.asarray(figures)})
    with pytest.raises(RunFolderError, match="does not fit the network"):
        resumed(digits_config({**FREQUENT, "train.epochs": 3}), tmp_path / "run")


NONSENSE: list[Any] = [None, True, 0, -1, 10**30, 1.5, float("inf"), float("nan"), "", "x", [], {}, [1], {"a": 1}, [[]]]


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in nested tables and lists."""
    yield before
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*before, key))


@pytest.mark.slow
def test_a_sound_checkpoint_that_says_nonsense(tmp_path: Path) -> None:
    """A stranger may have made the checksum right: it is gone on from, or refused in a sentence."""
    config = digits_config({"train.patience": 1, "train.evaluate_train": True, "output.checkpoint_every": "1 epoch"})
    xpmlp.train(config, tmp_path / "run")
    *_, newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    description, tensors = read_sealed(newest)
    longer = digits_config({"train.patience": 1, "train.evaluate_train": True, "train.epochs": 3})
    every = [place for place in places(description) if place and place[0] in ("training", "circumstances")]
    rng, refusals = random.Random(0), 0
    for number in range(80):
        folder = copied(tmp_path / "run", tmp_path / str(number))
        changed = copy.deepcopy(description)
        *way, last = rng.choice(every)
        table = functools.reduce(lambda inner, key: inner[key], way, changed)
        table[last] = rng.choice(NONSENSE)
        write_sealed(folder / "checkpoints" / newest.name, changed, tensors)
        try:
            xpmlp.train(longer, folder, resume=True)
        except RunFolderError:
            refusals += 1
    assert 20 < refusals < 80


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"train.learning_rate": 0.5}, "train.learning_rate = 0.5, before 0.003"),
        ({"train.seed": 3}, "train.seed = 3, before 0"),
        ({"train.batch_size": 8}, "train.batch_size = 8, before 32"),
        ({"train.patience": 3, "data.split": "validation"}, "train.patience = 3, before none"),
        ({"data.seed": 1}, "data.seed = 1, before 0"),
        ({"backend.dtype": "float64"}, "backend.dtype = float64, before float32"),
        ({"model.hidden_layer_sizes": [16, 4]}, "model.hidden_layer_sizes = 16, 4, before 16"),
        ({"train.epochs": 1}, "train.epochs = 1, before 3 (2 are done)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_another_config_is_refused_with_what_has_changed(
    killed: Path, tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    folder = copied(killed, tmp_path)
    before = files(folder)
    with pytest.raises(RunFolderError) as error:
        resumed(digits_config({**FREQUENT, "train.epochs": 3, **change}), folder)
    first, *lines, last = str(error.value).splitlines()
    assert first == "the training to resume had another config:"
    assert f"  {line}" in lines
    assert len(lines) == len(change)
    assert "--overwrite" in last
    assert "--force" in last
    assert error.value.exit_status == 2
    assert files(folder) == before, "nothing is touched"


def test_more_epochs_of_a_schedule_that_depends_on_them(tmp_path: Path) -> None:
    change = {**FREQUENT, "train.schedule": "cosine"}
    dies(digits_config(change), tmp_path / "run", 6)
    with pytest.raises(
        RunFolderError, match=r'train\.epochs = 9, before 2 \(train\.schedule = "cosine" depends on it\)'
    ):
        resumed(digits_config({**change, "train.epochs": 9}), tmp_path / "run")


def test_force_goes_on_all_the_same(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    changed = {"train.learning_rate": 0.01, "train.batch_size": 16, "train.segment_steps": 5}
    result, (where,) = resumed(digits_config({**FREQUENT, "train.epochs": 3, **changed}), folder, force=True)
    assert where.startswith("resuming after 97 steps, in epoch 3 of 3")
    assert [row.learning_rate for row in result.run.epochs] == [0.003, 0.003, 0.01]
    assert len(result.run.losses) == 97 + -(-(1293 - 32 * 15) // 16), "the rest of the epoch, in the new batches"


def test_a_network_that_does_not_fit_is_refused_even_then(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    for change in ({"model.hidden_layer_sizes": [8]}, {"train.optimizer": "momentum"}):
        with pytest.raises(RunFolderError, match=r"does not fit the network and the optimiser of this config \("):
            resumed(digits_config({**FREQUENT, "train.epochs": 3, **change}), folder, force=True)


def test_harmless_changes(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    config = digits_config({**FREQUENT, "train.epochs": 4, "output.keep": 1, "output.checkpoint_every": "1 epoch"})
    _, notes = resumed(config, folder)
    assert len(notes) == 1
    assert len(list((folder / "checkpoints").glob("step-*"))) == 1
    xpmlp.train(config, tmp_path / "whole")
    assert files(folder) == files(tmp_path / "whole")


def test_other_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    lines = [f"{x},{x % 7},{'ab'[x % 2]}" for x in range(60)]
    path.write_text("\n".join(["x,y,target", *lines]))
    config = digits_config({"data.name": "csv", "data.path": str(path), "data.split": "validation", **FREQUENT})
    xpmlp.train(config, tmp_path / "run")
    path.write_text("\n".join(["x,y,target", *reversed(lines)]))
    with pytest.raises(RunFolderError, match=r"had other data: the content of data\.csv is not what it was"):
        resumed(config, tmp_path / "run")
    resumed(config, tmp_path / "run", force=True)


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 5))
    config = digits_config({"data.name": "arrays", "data.split": "validation"})
    targets = (features[:, 0] > 0).astype(int)
    xpmlp.train(config, tmp_path / "run", data=xpmlp.from_arrays(features, targets))
    _, (note,) = resumed(config, tmp_path / "run", data=xpmlp.from_arrays(features.copy(), targets))
    assert note.startswith("nothing is left to train")
    for other in ((features + 1, targets), (features[:-1], targets[:-1]), (features, 1 - targets)):
        with pytest.raises(RunFolderError, match=r"had other data: the content of arrays is not what it was"):
            resumed(config, tmp_path / "run", data=xpmlp.from_arrays(*other))


def test_folders_that_hold_no_training(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds no training to resume: it has no config\.toml"):
        resumed(digits_config(), tmp_path)
    few = tmp_path / "few"
    xpmlp.train(digits_config({"output.checkpoint_every": "none"}), few)
    with pytest.raises(RunFolderError, match="left no checkpoint to resume: begin anew with --overwrite"):
        resumed(digits_config(), few)
    with pytest.raises(RunFolderError, match="give `out`"):
        xpmlp.train(digits_config(), resume=True)
    with pytest.raises(RunFolderError, match="exclude each other"):
        resumed(digits_config(), few, overwrite=True)


def test_overwriting_leaves_no_checkpoint_behind(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    dies(digits_config({"train.seed": 1, "train.segment_steps": 3}), folder, 1, overwrite=True)
    _, (note,) = resumed(digits_config({"train.seed": 1}), folder)
    assert note.startswith("there is no checkpoint")


NAMES = ("numpy", "torch", "jax", "strict", "cupy")
ON_EACH = {name: digits_config({**FREQUENT, "backend.name": name}) for name in NAMES}


@pytest.fixture(scope="module")
def killed_on(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A training of one epoch on a backend, that died; not to be changed."""

    @functools.cache
    def folder_of(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name) / "run"
        dies(ON_EACH[name], folder, 9)
        return folder

    return folder_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The losses and the parameters of the same training without an interruption, on NumPy."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    losses = xpmlp.train(ON_EACH["numpy"], folder).run.losses
    return losses, load_network(folder / "weights.safetensors").parameters


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(NAMES, 2)))
def test_from_one_backend_to_another(
    one: str,
    other: str,
    get_backend: Callable[..., Backend],
    killed_on: Callable[[str], Path],
    undisturbed: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    """Every pair of libraries: said to be not bitwise, and equal to the tolerance of parity."""
    for name in (one, other):
        get_backend(name)
    folder = copied(killed_on(one), tmp_path)
    result, notes = resumed(ON_EACH[other], folder)
    assert f"backend {other}, before {one}" in notes[1]
    assert notes[1].startswith("not bitwise what it would have been without the interruption: ")
    losses, parameters = undisturbed
    assert relative_difference(result.run.losses, losses) <= 1e-5
    for layer, expected in zip(load_network(folder / "weights.safetensors").parameters, parameters, strict=True):
        for leaf, wanted in zip(layer, expected, strict=True):
            assert relative_difference(leaf, wanted) <= 1e-5


def test_the_number_of_threads_is_used_again(tmp_path: Path) -> None:
    config = digits_config({**FREQUENT, "backend.threads": 2})
    dies(config, tmp_path / "run", 9)
    free = digits_config(FREQUENT)
    result, (_,) = resumed(free, copied(tmp_path / "run", tmp_path / "two"))
    assert result.backend.threads == 2
    other = digits_config({**FREQUENT, "backend.threads": 1, "backend.fused": False})
    _, (_, note) = resumed(other, copied(tmp_path / "run", tmp_path / "one"))
    assert "threads 1, before 2; fused operations none, before " in note


def test_another_kind_of_cpu_or_version(killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_processor", lambda: "abacus")
    monkeypatch.setattr(resuming, "__version__", "9.9")
    _, (_, note) = resumed(digits_config({**FREQUENT, "train.epochs": 3}), copied(killed, tmp_path))
    assert "xpmlp 9.9, before " in note
    assert "processor abacus, before " in note


def test_time_adds_up(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    (newest,) = sorted((folder / "checkpoints").glob("step-*"))[-1:]
    description, _ = read_sealed(newest)
    before = description["training"]["seconds"]
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    (last,) = sorted((folder / "checkpoints").glob("step-*"))[-1:]
    assert read_sealed(last).description["training"]["seconds"] > before


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    every, none = (digits_config({**FREQUENT, "output.checkpoint_every": often}) for often in ("1 step", "none"))
    xpmlp.train(every, tmp_path / "every")
    xpmlp.train(none, tmp_path / "none")
    written = files(tmp_path / "every"), files(tmp_path / "none")
    for name in set(FILES) - {"config.toml", "train_after.csv"}:
        assert written[0][name] == written[1][name]
    assert not (tmp_path / "none" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("often", "due"),
    [
        ("3 steps", [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]),
        ("1 epoch", [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
        ("2 epochs", [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("25 seconds", [0, 0, 1, 0, 0, 1, 0, 0, 1, 0]),
        ("auto", [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    ],
)
def test_when_checkpoints_are_due(often: str, due: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten segments of 10 seconds; four of 1 step and one of 2 are an epoch.  The computer's clock goes backwards."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: -now)
    checkpoints = Checkpoints(tmp_path, OutputConfig(checkpoint_every=often), 1, {})
    heard, step = [], 0
    for segment in range(10):
        now += 10
        ended = segment % 5 == 4
        step += 2 if ended else 1
        heard.append(int(checkpoints.due(epoch_ended=ended, steps=step)))
        if heard[-1]:
            checkpoints._steps, checkpoints._epochs, checkpoints._time = step, 0, now
    assert heard == due


HOLDER = """
import sys
from pathlib import Path
from xpmlp.training.run_folder import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_in_one_folder(tmp_path: Path) -> None:
    """The second one is refused as long as the first one lives, and no longer."""
    folder = tmp_path / "run"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for how in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(RunFolderError, match="is in use: another process is training into it"):
                xpmlp.train(digits_config(), folder, **how)
        assert [path.name for path in folder.iterdir()] == [".lock"]
    finally:
        holder.kill()
        holder.communicate()
    xpmlp.train(digits_config(), folder)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of 3 epochs that died in the third; not to be changed."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    dies(digits_config({**FREQUENT, "train.epochs": 3}), folder, 14 * 2 + 9)
    return folder


def copied(folder: Path, into: Path) -> Path:
    """A copy of a run folder, to be changed."""
    target = into / "copy"
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".lock"))
    return target


def test_what_a_killed_process_was_writing_goes(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    debris = [folder / ".run.json.x1.part.json", folder / "checkpoints" / ".step-1.safetensors.x2.part.safetensors"]
    mine = folder / ".notes.part"
    for path in (*debris, mine):
        path.write_text("half")
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    assert not any(path.exists() for path in debris)
    assert mine.read_text() == "half"


def test_batch_losses_return_in_their_type(killed: Path, tmp_path: Path) -> None:
    folder = copied(killed, tmp_path)
    resumed(digits_config({**FREQUENT, "train.epochs": 3}), folder)
    losses = np.load(folder / "batch_losses.npy")
    assert (losses.dtype, losses.shape) == (np.float32, (3 * STEPS,))

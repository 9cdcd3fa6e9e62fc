"""Blocks in local processes: the same numbers even if a process fails, and errors that name their runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests.grid import faults
from tests.grid.small import STEPS, grid_config
from xpmlp.backend import blas, resolve
from xpmlp.errors import GridError
from xpmlp.grid import Block, GridReporter, GridResult, block, blocks_of, grid, members_of, schedule, train_grid
from xpmlp.training import Reporter
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.record import Outcome

RUNS: dict[str, Any] = {"runs": 2, "learning_rate": [0.5, 0.1]}
"""Four runs."""


def assert_same(result: GridResult, expected: GridResult) -> None:
    assert [member.number for member in result.members] == [member.number for member in expected.members]
    assert result.summaries == expected.summaries
    np.testing.assert_array_equal(result.history.batch_losses, expected.history.batch_losses)
    for network, other in zip(result.networks, expected.networks, strict=True):
        for layer, other_layer in zip(network.parameters, other.parameters, strict=True):
            for leaf, other_leaf in zip(layer, other_layer, strict=True):
                np.testing.assert_array_equal(leaf, other_leaf)


class Listener(GridReporter):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.plans: list[tuple[int, int, int | None, int]] = []
        self.blocks: dict[str, int] = {}

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        self.plans.append((runs, blocks, workers, examples))

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        assert len(outcomes) == len(block.members)
        self.blocks[block.label] = examples


@pytest.mark.slow
def test_two_processes_give_what_one_gives(data: Path) -> None:
    here, there = Listener(), Listener()
    expected = train_grid(grid_config(data, **RUNS), reporter=here)
    assert_same(train_grid(grid_config(data, **RUNS, workers=2, block_width=1), reporter=there), expected)
    assert here.plans == [(4, 4, 1, 4 * 2 * 71)]
    assert there.plans == [(4, 4, 2, 4 * 2 * 71)]
    assert here.blocks == {f"run {number}": 0 for number in range(4)}, "heard by segments already"
    assert there.blocks == {f"run {number}": 2 * 71 for number in range(4)}


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = train_grid(grid_config(data, **RUNS))
    monkeypatch.setattr(schedule, "_work", faults.die_once)
    assert_same(train_grid(grid_config(data, **RUNS, workers=2)), expected)
    assert faults.attempts(data.parent) == 2


@pytest.mark.slow
def test_a_block_that_kills_its_process_each_time_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_work", faults.die_always)
    out = tmp_path / "out"
    with pytest.raises(GridError) as error:
        train_grid(grid_config(data, **RUNS, workers=2), out)
    assert str(error.value).splitlines() == [
        f"1 of 4 blocks failed; what the other runs gave is in {out}:",
        "run 1: its process died 3 times (out of memory?)",
    ]
    assert faults.attempts(data.parent) == 3
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["0", "2", "3"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow(reason="starts two processes"))])
def test_a_block_that_raises_is_named_and_the_others_are_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    expected = train_grid(grid_config(data, **RUNS))
    if workers == 1:
        monkeypatch.setattr(schedule, "train_one", lambda block, threads, *_: faults.fail(block, threads))
    else:
        monkeypatch.setattr(schedule, "_work", faults.fail)
    out = tmp_path / "out"
    with pytest.raises(GridError) as error:
        train_grid(grid_config(data, **RUNS, workers=workers, block_width=2), out)
    assert error.value.exit_status == 1
    assert str(error.value).splitlines() == [
        f"1 of 2 blocks failed; what the other runs gave is in {out}:",
        "runs 0, 1: the dice fell off the table",
    ]
    assert faults.attempts(data.parent) == 1, "an error comes again: it is not tried again"
    assert sorted(path.name for path in (out / "runs").iterdir()) == ["2", "3"]
    losses = np.load(out / "batch_losses.npy")
    np.testing.assert_array_equal(losses, expected.history.batch_losses[:, 2:])
    rows = [line.split(",")[0] for line in (out / "epochs.csv").read_text().splitlines()]
    assert rows == ["run", "2", "2", "3", "3"]


@pytest.mark.slow
def test_an_error_of_this_process_stops_the_running_blocks(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(GridReporter):
        def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
            raise OSError("no space left")

    monkeypatch.setattr(schedule, "_work", faults.endless)
    with pytest.raises(OSError, match="no space left"):
        train_grid(grid_config(data, **RUNS, workers=2, block_width=1), reporter=Failing())


def test_where_all_fail_nothing_is_said_to_be_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "train_one", lambda block, threads, *_: faults.fail(block, threads))
    with pytest.raises(GridError, match=r"^1 of 1 blocks failed:\nruns 0, 1: the dice fell off the table$"):
        train_grid(grid_config(data, runs=2, block_width=2), tmp_path / "out")


class Brittle(Executor):
    """An executor that does one piece of work here and then breaks."""

    def __init__(self) -> None:
        self.used = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        if self.used:
            raise BrokenExecutor
        self.used = True
        future: Future[Any] = Future()
        future.set_result(function(*arguments, **keywords))
        return future


def test_a_pool_that_breaks_between_two_blocks_loses_none(data: Path) -> None:
    blocks = blocks_of(members_of(grid_config(data, **RUNS)), width=1)
    pools: list[Brittle] = []

    def pool() -> Executor:
        pools.append(Brittle())
        return pools[-1]

    ended: list[int] = []
    failures: dict[int, str] = {}

    def done(block: Block, _: object) -> None:
        ended.append(block.number)

    lost = schedule._BlockPool(pool, None, lambda: False, done, failures=failures).drain(blocks, 2)
    assert (lost, failures) == ([], {})
    assert ended == [0, 1, 2, 3]
    assert len(pools) == 4


class Unheard(Executor):
    """An executor that does one piece of work here, and never says of the others that they were called off."""

    def __init__(self) -> None:
        self.used = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if not self.used:
            future.set_result(function(*arguments, **keywords))
        self.used = True
        return future


def test_blocks_that_are_called_off_are_not_waited_for(data: Path) -> None:
    blocks = blocks_of(members_of(grid_config(data, **RUNS)), width=1)
    ended: list[int] = []
    looks: list[bool] = []

    def should_stop() -> bool:
        looks.append(bool(ended))
        assert len(looks) < 10
        return looks[-1]

    lost = schedule._BlockPool(Unheard, None, should_stop, lambda block, _: ended.append(block.number)).drain(blocks, 4)
    assert (lost, ended) == ([], [0])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal masks")
def test_processes_start_undisturbed_by_ctrl_c(data: Path) -> None:
    """They inherit that it is held back; here it is as before."""
    masks: list[set[Any]] = []

    class Masked(Brittle):
        def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            return super().submit(function, *arguments, **keywords)

    (block,) = blocks_of(members_of(grid_config(data)), width=1)
    schedule._BlockPool(Masked, None, lambda: False, lambda *_: None).drain([block], 1)
    assert [signal.SIGINT in mask for mask in masks] == [True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_who_asks_to_stop_keeps_what_there_is(data: Path, workers: int) -> None:
    listener = Listener()
    config = grid_config(data, runs=6, workers=workers, train={"epochs": 200, "segment_steps": 3})
    result = train_grid(config, reporter=listener, should_stop=lambda: bool(listener.blocks))
    assert 1 <= len(result.members) < 6, "those that had not begun are left out"
    assert "finished" in {run.status for run in result.runs}
    for run in result.runs:
        assert run.status in ("finished", "interrupted")
        assert (len(run.losses) == 200 * STEPS) == (run.status == "finished")


@pytest.mark.slow
def test_who_asks_to_stop_interrupts_what_is_under_way(data: Path) -> None:
    """The one run takes seventy times the steps of the other, and begins when that does."""
    listener = Listener()
    step_by_step = {"fused": False}  # compiled, the steps of both would take less than an epoch's rest
    config = grid_config(data, batch_size=[71, 1], workers=2, train={"epochs": 400}, backend=step_by_step)
    result = train_grid(config, reporter=listener, should_stop=lambda: bool(listener.blocks))
    assert [str(run.status) for run in result.runs] == ["finished", "interrupted"]
    assert [len(run.losses) < epoch * 400 for run, epoch in zip(result.runs, (1, 71), strict=True)] == [False, True]


def test_the_threads_of_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "available_cores", lambda: 9)
    assert [grid._share(workers) for workers in (1, 2, 9, 20)] == [9, 4, 1, 1]


@pytest.mark.parametrize(("batch", "expected"), [(8, 1), (32, 2), (71, 3)])
def test_numpy_takes_as_many_threads_as_pay_within_its_share(
    batch: int, expected: int, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def look(problem: ConfigTrainable, *_: Any) -> list[Any]:
        with problem.backend.session(problem.rows_at_once):
            taken.append((blas.THREADS.number, problem.backend.threads_in_use()))
        return []

    monkeypatch.setattr(block, "_train", look)
    (one,) = blocks_of(members_of(grid_config(data, train={"batch_size": batch})), 1)
    resolve("numpy")  # loads the BLAS to be bounded
    with threadpool_limits(8, user_api="blas"):
        block.train_one(one, 3, Reporter(), lambda: False)
        block.train_one(one, None, Reporter(), lambda: False)
    assert taken == [(expected, 3), (max(1, batch // 16), 8)]


def test_how_many_processes(data: Path, get_backend: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "available_cores", lambda: 9)
    automatic, three = grid_config(data, workers="auto"), grid_config(data, workers=3)
    assert grid._workers(automatic, get_backend("numpy")) == 9
    assert grid._workers(automatic, get_backend("strict")) == 9
    assert grid._workers(automatic, get_backend("strict", "device1")) == 9
    assert grid._workers(three, get_backend("numpy")) == 3

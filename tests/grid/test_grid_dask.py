"""The same grid on a Dask cluster: two worker processes of this machine, on the loopback interface only."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.grid import faults
from tests.grid.small import EXAMPLES, grid_config
from xpmlp.config import Config
from xpmlp.errors import BackendError, ConfigError, GridError
from xpmlp.grid import Block, GridReporter, schedule, train_grid
from xpmlp.training.record import Outcome

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'xpmlp[dask]'")

pytestmark = pytest.mark.slow

RUNS: dict[str, Any] = {"runs": 2, "learning_rate": [0.5, 0.1, 0.02]}
"""Six runs."""


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two worker processes of one thread each, which the cluster replaces when they die; new ones for each test."""
    with start_cluster(workers=2) as started:
        watch = threading.Timer(400.0, started.close)  # a cluster without workers is waited for
        watch.start()
        yield started
        watch.cancel()


def start_cluster(workers: int) -> Any:
    return distributed.LocalCluster(
        n_workers=workers,
        processes=True,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


def on(cluster: Any, data: Path, **options: Any) -> Config:
    return grid_config(data, **RUNS, scheduler=cluster.scheduler_address, **options)


def worker_pids(cluster: Any) -> set[int]:
    with distributed.Client(cluster) as client:
        return set(client.run(os.getpid).values())


class Killer(GridReporter):
    """Kills a worker when the first block is done."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.done = 0

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        if self.done == 0:
            os.kill(self.pid, signal.SIGKILL)
        self.done += 1


class Counter(GridReporter):
    """Counts the blocks that are done, and notes what was planned."""

    def __init__(self) -> None:
        self.done = 0
        self.plan: tuple[int, int, int | None, int] | None = None

    def planned(self, runs: int, blocks: int, workers: int | None, examples: int) -> None:
        self.plan = (runs, blocks, workers, examples)

    def block(self, block: Block, outcomes: list[Outcome], examples: int) -> None:
        self.done += len(outcomes)


def test_gives_the_files_that_this_machine_gives(cluster: Any, data: Path, tmp_path: Path) -> None:
    train_grid(grid_config(data, **RUNS), tmp_path / "one")
    train_grid(grid_config(data, **RUNS, workers=2), tmp_path / "two")
    train_grid(on(cluster, data), tmp_path / "dask")
    for name in ("summary.csv", "epochs.csv", "batch_losses.npy"):
        content = (tmp_path / "one" / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == content
        assert (tmp_path / "dask" / name).read_bytes() == content
    for run in range(6):
        one, dask = (tmp_path / where / "runs" / str(run) / "weights.safetensors" for where in ("one", "dask"))
        assert one.read_bytes() == dask.read_bytes()


def test_survives_a_worker_that_is_killed(cluster: Any, data: Path, tmp_path: Path) -> None:
    longer = {"epochs": 150, "segment_steps": 4}
    train_grid(grid_config(data, **RUNS, train=longer), tmp_path / "one")
    before = worker_pids(cluster)
    assert len(before) == 2
    killer = Killer(min(before))
    train_grid(on(cluster, data, train=longer), tmp_path / "dask", reporter=killer)
    assert killer.done == 6
    assert min(before) not in worker_pids(cluster)
    assert (tmp_path / "dask" / "summary.csv").read_bytes() == (tmp_path / "one" / "summary.csv").read_bytes()


def test_a_worker_that_dies_in_the_middle_of_a_run(
    cluster: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_grid(grid_config(data, **RUNS), tmp_path / "one")
    monkeypatch.setattr(schedule, "_work", faults.die_once)
    train_grid(on(cluster, data), tmp_path / "dask")
    assert faults.attempts(data.parent) == 2
    assert (tmp_path / "dask" / "summary.csv").read_bytes() == (tmp_path / "one" / "summary.csv").read_bytes()


def test_a_block_that_raises_is_named_and_the_others_are_kept(
    cluster: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_work", faults.fail)
    with pytest.raises(GridError) as error:
        train_grid(on(cluster, data, block_width=2), tmp_path / "out")
    assert str(error.value).splitlines()[1:] == ["runs 0, 1: the dice fell off the table"]
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["2", "3", "4", "5"]


def test_a_block_that_kills_its_worker_each_time_is_named(
    cluster: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "_work", faults.die_always)
    with pytest.raises(GridError) as error:
        train_grid(on(cluster, data), tmp_path / "out")
    _, *failed = str(error.value).splitlines()
    assert [line.split(":")[0] for line in failed] == ["run 1"]
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["0", "2", "3", "4", "5"]


def test_who_asks_to_stop_keeps_what_there_is(cluster: Any, data: Path) -> None:
    counter = Counter()
    config = on(cluster, data, train={"epochs": 300, "segment_steps": 4})
    result = train_grid(config, reporter=counter, should_stop=lambda: counter.done > 0)
    assert counter.plan == (6, 6, None, 6 * 300 * EXAMPLES)
    assert 1 <= len(result.members) < 6
    assert counter.done == len(result.members)


def test_a_cluster_that_goes_away_is_an_error(data: Path) -> None:
    """Not a grid with runs missing: Dask only calls such blocks off."""
    with start_cluster(workers=0) as short_lived:
        timer = threading.Timer(1.0, short_lived.close)
        timer.start()
        with pytest.raises(GridError, match="run 5: it was given up by the cluster: its scheduler has gone"):
            train_grid(on(short_lived, data))
        timer.join()


def test_a_cluster_without_workers_is_waited_for_and_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schedule, "ROLL_CALL", 0.5)
    with start_cluster(workers=0) as cluster:

        def should_stop() -> bool:
            if said_so() and not cluster.workers:
                cluster.scale(1)
            return False

        def said_so() -> list[str]:  # apart from what Dask itself logs on a busy machine
            return [message for message in caplog.messages if "has no workers" in message]

        assert len(train_grid(on(cluster, data), should_stop=should_stop).members) == 6
        said = f"the Dask cluster at grid.scheduler = {cluster.scheduler_address!r} has no workers; the grid continues"
        (message,) = said_so()
    assert message.startswith(said)


def test_no_scheduler_at_the_address(data: Path) -> None:
    with pytest.raises(BackendError, match=r"no Dask scheduler at grid\.scheduler = 'tcp://127\.0\.0\.1:1'") as error:
        train_grid(grid_config(data, runs=2, scheduler="tcp://127.0.0.1:1"))
    assert error.value.exit_status == 2


def test_workers_import_what_was_allowed(
    cluster: Any, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "format_for_dask.py"
    module.write_text("from xpmlp.data.numpy_file import NPZ\nLIKE_NPZ = NPZ._replace(sentence='Arrays.')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with distributed.Client(cluster) as client:
        client.run(lambda: sys.path.append(str(tmp_path)))
    config = on(cluster, data)
    config = config.model_copy(update={"data": config.data.model_copy(update={"name": "format_for_dask:LIKE_NPZ"})})
    with pytest.raises(ConfigError, match=r'^data\.name = "format_for_dask:LIKE_NPZ" is code from outside'):
        train_grid(config)
    assert len(train_grid(config, allow_code=True).runs) == 6

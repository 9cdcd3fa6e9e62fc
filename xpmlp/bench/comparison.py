"""`bench`: a config's training on each backend of this machine, each in a process of its own."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from xpmlp._malloc import keep_freed_memory
from xpmlp._processes import ProcessDiedError, RemoteCall, obstacle_to_processes
from xpmlp._version import __version__
from xpmlp.backend import LISTED, check_name, probe
from xpmlp.backend.registry import Availability
from xpmlp.bench.pace import Pace, measure_pace
from xpmlp.config import Config, admit_code, refuse_unimportable
from xpmlp.data.source import check_source
from xpmlp.errors import BackendError, ConfigError, XpmlpError

ALIKE = 1.05
"""Factor within which the speeds of two backends count as equal."""


class Measured(NamedTuple):
    """Measurement of a backend on a device: its pace, or the problem that prevented it.

    Attributes
    ----------
    backend : str
    device : str or None
        Its name in the library; ``None`` if the backend cannot be used at all.
    pace : Pace or None
    problem : str or None
    """

    backend: str
    device: str | None
    pace: Pace | None
    problem: str | None

    @property
    def name(self) -> str:
        """Name for display: ``torch on cuda:0``."""
        return self.backend if self.device is None else f"{self.backend} on {self.device}"


class Recommendation(NamedTuple):
    """The backend to use.

    Attributes
    ----------
    backend, device : str
        For ``--backend`` and ``--device``.
    reason : str
        One sentence.
    """

    backend: str
    device: str
    reason: str


def bench(
    config: Config,
    backends: Sequence[str] | None = None,
    *,
    seconds: float = 3.0,
    allow_code: bool = False,
    listen: Callable[[str], None] = lambda name: None,
) -> list[Measured]:
    """Measure a config's training on each backend, on its CPU and on its first GPU.

    Every measurement runs in its own process, so that its peak memory is accurate and a failure does not affect the
    others.

    Parameters
    ----------
    config : Config
        Its backend and device are ignored; of a grid, the first run is measured.
    backends : sequence of str, optional
        By default all listed backends.
    seconds : float
        The length of a measurement, after a warm-up.
    allow_code : bool
        Import records from outside the package, named in the config as ``module:object``.
    listen : (name) -> None
        Called with the name of each backend before it is tried, and of each measurement before it begins.

    Returns
    -------
    measured : list of Measured
        One for each backend and device; one for each backend that cannot be used.

    Raises
    ------
    BackendError
        If a backend is unknown, none is given, or this process cannot start others.
    ConfigError
        If ``seconds`` is not a positive number, or the config names code that is not allowed or cannot be imported.
    DataError
        If ``data.path`` is not a file, or cannot be accessed.
    """
    names = list(dict.fromkeys(LISTED if backends is None else backends))
    for name in names:
        check_name(name)
        admit_code(_on(config, name, None), allow_code=allow_code)
        refuse_unimportable(_on(config, name, None))
    if not names:
        raise BackendError(f"no backend was given; there are {', '.join(LISTED)}.")
    if (reason := obstacle_to_processes()) is not None:
        raise BackendError(f"each backend is measured in a process of its own, and {reason}.")
    if not 0 < seconds < math.inf:
        raise ConfigError(f"a measurement cannot take {seconds:g} seconds: give a number above 0.")
    if config.data.path is not None:
        check_source(config.data.path)  # a pipe can be read by one process only
    return [measured for name in names for measured in _measured(config, name, seconds, listen)]


def recommend(measured: Sequence[Measured]) -> Recommendation | None:
    """Recommend a backend: the fastest, or the one of least memory among those as fast.

    Returns
    -------
    recommendation : Recommendation or None
        ``None`` if nothing could be measured.
    """
    paces = {one: one.pace for one in measured if one.pace is not None}
    if not paces:
        return None
    ranked = sorted(paces, key=lambda one: -paces[one].examples_per_second)
    fastest = paces[ranked[0]].examples_per_second
    alike = [one for one in ranked if paces[one].examples_per_second * ALIKE >= fastest]
    chosen = min(alike, key=lambda one: paces[one].peak_memory or math.inf)
    others = [one for one in ranked if one not in alike]
    if len(ranked) == 1:
        reason = "it is the only one that could be measured"
    elif len(alike) > 1:
        rivals = " and ".join(one.name for one in alike if one is not chosen)
        reason = f"it is as fast as {rivals} within {ALIKE - 1:.0%}, and takes less memory"
    else:
        times = fastest / paces[others[0]].examples_per_second
        reason = f"it is {times:.1f} times as fast as {others[0].name}, the next"
    assert chosen.device is not None
    return Recommendation(chosen.backend, chosen.device, f"{chosen.name}: {reason}.")


def report_json(config: Config, seconds: float, measured: Sequence[Measured]) -> dict[str, Any]:
    """Convert the measurements and the recommendation to JSON types."""
    recommendation, model = recommend(measured), config.model
    return {
        "xpmlp": __version__,
        "config": config.name,
        **({"layers": model.layers} if model.layers else {"hidden_layer_sizes": model.hidden_layer_sizes}),
        "batch_size": config.train.batch_size,
        "seconds": seconds,
        "backends": [
            {
                "backend": one.backend,
                "device": one.device,
                **({"problem": one.problem} if one.pace is None else one.pace._asdict()),
            }
            for one in measured
        ],
        "use": None if recommendation is None else recommendation._asdict(),
    }


def _measured(config: Config, name: str, seconds: float, listen: Callable[[str], None]) -> Iterator[Measured]:
    listen(name)
    report = _in_a_process(_probed, _on(config, name, None))
    if not isinstance(report, Availability):
        yield Measured(name, None, None, report)
        return
    if report.problem is not None:
        yield Measured(name, None, None, report.problem)
    for device in _one_of_each_kind(report.devices):
        listen(f"{name} on {device}")
        pace = _in_a_process(_paced, _on(config, name, device), seconds)
        if isinstance(pace, Pace):
            yield Measured(name, device, pace, None)
        else:
            yield Measured(name, device, None, pace)


def _on(config: Config, name: str, device: str | None) -> Config:
    """Return the config with another backend and device."""
    return config.replaced(backend={"name": name, "device": device})


def _probed(config: Config) -> Availability:
    keep_freed_memory()  # as the command line does
    admit_code(config, allow_code=True)  # as it was in the process that started this one
    return probe(config.backend.name)


def _paced(config: Config, seconds: float) -> Pace:
    keep_freed_memory()
    admit_code(config, allow_code=True)
    return measure_pace(config, seconds)


def _one_of_each_kind(devices: Sequence[str]) -> list[str]:
    """Return the first device of each kind, such as ``cuda:0`` for all of CUDA's."""
    kinds: dict[str, str] = {}
    for device in devices:
        kinds.setdefault(device.partition(":")[0], device)
    return list(kinds.values())


def _in_a_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of ``function(*arguments)`` in a fresh process, or an error message."""
    try:
        with contextlib.closing(RemoteCall(function, *arguments)) as call:
            return call.result()
    except ProcessDiedError as error:
        return f"{error} (out of memory?)"
    except (XpmlpError, RuntimeError) as error:  # the other backends are measured all the same
        return str(error)

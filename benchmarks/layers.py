"""Each layer, each activation and label smoothing, compared with PyTorch's: ``python -m benchmarks.layers``.

A network of two dense layers and the tested layer is trained by xpmlp, on NumPy and on PyTorch, and by PyTorch with its
own modules, autograd and optimiser; they take turns, round by round.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import machine, slug
from benchmarks.peers import RESULTS
from xpmlp import from_arrays
from xpmlp._files import write_text
from xpmlp.backend import resolve
from xpmlp.bench import Stopwatch
from xpmlp.config import Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.nn import activations
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.loop import train_block
from xpmlp.training.run import RunSettings

EXAMPLES, FEATURES, CODES, CLASSES, HIDDEN, RATE = 4096, 64, (6, 20, 100), 10, 256, 0.01

Turn = Callable[[], float]
"""Function that trains a stretch and returns the seconds per step."""


class Case(NamedTuple):
    """A network.

    Attributes
    ----------
    layers : list of dict
        The tables of a config's ``[[model.layers]]``, without the output layer.
    modules : (torch) -> module
        The same in PyTorch: a module of numbers (batch, 64) and codes (batch, 3).
    label_smoothing : float
    has_codes : bool
        Whether the data have categories.
    members : int
        Number of rows that the network makes of an example.
    """

    layers: list[dict[str, Any]]
    modules: Callable[[Any], Any]
    label_smoothing: float = 0.0
    has_codes: bool = False
    members: int = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and write them."""
    options = _options(arguments)
    import torch

    torch.set_num_threads(options.threads)
    facts, found = machine(), {}
    for name in options.cases:
        found[name] = measured(CASES[name], torch, options)
        print(_row(name, found[name]), flush=True)
    settings = {key: getattr(options, key) for key in ("rounds", "steps", "batch", "threads")}
    text = "\n".join(
        [
            "# Layers beside PyTorch's own\n",
            *(f"- {key}: {value}" for key, value in {**facts, **settings}.items()),
            "",
            "Microseconds of a step, medians over the rounds, and the median of the ratios within a round: how many",
            "times as long as PyTorch xpmlp takes. Plain SGD, softmax with cross-entropy, float32.\n",
            "| | xpmlp on NumPy | xpmlp on PyTorch | PyTorch | NumPy / PyTorch | on PyTorch / PyTorch |",
            "|---|---:|---:|---:|---:|---:|",
            *(_row(name, seconds) for name, seconds in found.items()),
            "",
        ]
    )
    folder = options.out or RESULTS / slug(facts)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "layers.md", text)
    record = {"machine": facts, "time": datetime.now(UTC).isoformat(timespec="seconds"), **settings, "seconds": found}
    write_text(folder / "layers.json", json.dumps(record, indent=1) + "\n")
    return 0


def measured(case: Case, torch: Any, options: argparse.Namespace) -> dict[str, list[float]]:
    """Measure the seconds per step in each round, by contestant."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    y = rng.integers(0, CLASSES, EXAMPLES)
    codes = rng.integers(1, CODES, (EXAMPLES, len(CODES))).astype(np.int32) if case.has_codes else None
    with ExitStack() as stack:
        turns: dict[str, Turn] = {
            name: _ours(case, name, (x, y, codes), options, stack) for name in ("numpy", "torch")
        } | {"PyTorch": _pytorch(case, torch, (x, y, codes), options)}
        seconds: dict[str, list[float]] = {name: [] for name in turns}
        for turn in turns.values():  # imports, traces and compiles everything
            turn()
        for number in range(options.rounds):
            for name in list(turns)[:: 1 if number % 2 else -1]:
                seconds[name].append(turns[name]())
    return seconds


def _ours(case: Case, backend_name: str, data: Any, options: argparse.Namespace, stack: ExitStack) -> Turn:
    x, y, codes = data
    config = Config(
        data=DataConfig(name="arrays"),
        model=ModelConfig(layers=case.layers, label_smoothing=case.label_smoothing),
        train=TrainConfig(epochs=10**6, batch_size=options.batch, learning_rate=RATE, segment_steps=options.steps),
        output=OutputConfig(plots=False),
    )
    backend = resolve(backend_name, "cpu", threads=options.threads).backend
    trainable = ConfigTrainable(config, from_arrays(x, y, codes=codes), backend)
    stack.enter_context(backend.session(trainable.rows_at_once))

    def turn() -> float:
        watch = Stopwatch(most_steps=options.steps)
        train_block(trainable, [RunSettings.of(config.train)], watch, watch.enough)
        return watch.seconds / watch.steps

    return turn


def _pytorch(case: Case, torch: Any, data: Any, options: argparse.Namespace) -> Turn:
    x, y = map(torch.from_numpy, data[:2])
    codes = None if data[2] is None else torch.from_numpy(data[2]).long()
    module = case.modules(torch)
    last = torch.nn.LazyLinear(CLASSES)
    loss_of = torch.nn.CrossEntropyLoss(label_smoothing=case.label_smoothing)
    last(module(x[:2], None if codes is None else codes[:2]))  # sets its width
    optimizer = torch.optim.SGD([*module.parameters(), *last.parameters()], lr=RATE)
    rng = np.random.default_rng(1)

    def turn() -> float:
        with torch.enable_grad():
            start, losses = time.perf_counter(), []
            order = torch.from_numpy(rng.permutation(EXAMPLES))
            batches = order[: EXAMPLES // options.batch * options.batch].reshape(-1, options.batch)
            for step in range(options.steps):
                rows = batches[step % len(batches)]
                logits = last(module(x[rows], None if codes is None else codes[rows]))
                loss = loss_of(logits, y[rows] if case.members == 1 else y[rows].repeat(case.members))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.detach())
            torch.stack(losses).tolist()
            seconds = time.perf_counter() - start
        return seconds / int(options.steps)

    return turn


def _row(name: str, seconds: dict[str, list[float]]) -> str:
    times = [statistics.median(seconds[one]) for one in ("numpy", "torch", "PyTorch")]
    ratios = [
        statistics.median(ours / theirs for ours, theirs in zip(seconds[one], seconds["PyTorch"], strict=True))
        for one in ("numpy", "torch")
    ]
    shown = [*(f"{1e6 * one:,.0f}" for one in times), *(f"{one:.2f}" for one in ratios)]
    return f"| {name} | {' | '.join(shown)} |"


DENSE: dict[str, Any] = {"kind": "dense", "units": HIDDEN}
RELU: dict[str, Any] = {"kind": "activation", "name": "relu"}


def _of_numbers(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a module of numbers and codes that uses only the numbers; ``make`` gets ``torch``."""

    def modules(torch: Any) -> Any:
        class OfNumbers(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.inner = make(torch)

            def forward(self, x: Any, codes: Any) -> Any:
                return self.inner(x)

        return OfNumbers()

    return modules


def _module(torch: Any, forward: Callable[..., Any], *parameters: Any, **inner: Any) -> Any:
    """Make a module that computes ``forward(x, *parameters, **inner)``; ``inner`` are modules."""

    class Module(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.own = torch.nn.ParameterList(parameters)
            self.inner = torch.nn.ModuleDict(inner)

        def forward(self, x: Any) -> Any:
            return forward(x, *self.own, **self.inner)

    return Module()


def _first(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put a module before a dense layer with relu."""
    return _of_numbers(lambda torch: torch.nn.Sequential(make(torch), torch.nn.LazyLinear(HIDDEN), torch.nn.ReLU()))


def _after(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Put a module after a dense layer."""
    return _of_numbers(lambda torch: torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), make(torch)))


def _periodic(torch: Any) -> Any:
    waves, width = 16, 3

    def forward(x: Any, frequencies: Any, phases: Any, weights: Any, biases: Any) -> Any:
        waved = torch.cos(2 * math.pi * x[..., None] * frequencies + phases)
        return torch.cat([x, (torch.einsum("bfw,fwo->bfo", waved, weights) + biases).flatten(1)], dim=1)

    shapes = (FEATURES, waves), (FEATURES, waves), (FEATURES, waves, width), (FEATURES, width)
    return _module(torch, forward, *(0.1 * torch.randn(shape) for shape in shapes))


def _piecewise_linear(torch: Any) -> Any:
    bins, width = 16, 4
    edges = torch.linspace(-2, 2, bins + 1)
    begins, slopes = edges[:-1], 1 / edges.diff()
    lower, upper = torch.zeros(bins), torch.ones(bins)
    lower[0], upper[-1] = -3e38, 3e38

    def forward(x: Any, weights: Any, biases: Any) -> Any:
        filled = torch.clamp((x[..., None] - begins) * slopes, lower, upper)
        return (torch.einsum("bfw,fwo->bfo", filled, weights) + biases).flatten(1)

    return _module(torch, forward, 0.1 * torch.randn(FEATURES, bins, width), torch.zeros(FEATURES, width))


def _adapters(torch: Any) -> Any:
    members = 4

    def forward(x: Any, weights: Any, inputs: Any, outputs: Any, biases: Any) -> Any:
        rows = x.repeat(members, 1).reshape(members, -1, FEATURES)
        y = ((rows * inputs[:, None]) @ weights) * outputs[:, None] + biases[:, None]
        return torch.relu(y.flatten(0, 1))

    signs = torch.randint(0, 2, (members, FEATURES)) * 2.0 - 1
    weights = torch.randn(FEATURES, HIDDEN) / FEATURES**0.5
    return _module(torch, forward, weights, signs, torch.ones(members, HIDDEN), torch.zeros(members, HIDDEN))


def _beside(torch: Any) -> Any:
    linear = torch.nn.Linear(FEATURES, 8)
    return _module(
        torch, lambda x, scales, linear: torch.cat([x * scales, linear(x)], 1), torch.ones(64), linear=linear
    )


def _add(torch: Any) -> Any:
    linear = torch.nn.Linear(FEATURES, FEATURES)
    return _module(torch, lambda x, scales, linear: x * scales + linear(x), torch.ones(FEATURES), linear=linear)


def _plus(torch: Any) -> Any:
    inner = torch.nn.Sequential(torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU())
    return torch.nn.Sequential(torch.nn.ReLU(), _module(torch, lambda x, inner: x + inner(x), inner=inner))


def _vote(torch: Any) -> Any:
    members = {name: torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU()) for name in "ab"}
    return _module(torch, lambda x, a, b: torch.cat([a(x), b(x)]), **members)


def _parametric(torch: Any) -> Any:
    gelu = torch.nn.functional.gelu
    return _module(torch, lambda x, alpha: x + alpha * (gelu(x, approximate="tanh") - x), torch.ones(HIDDEN))


def _of_codes(embedded: Sequence[int], hot: Sequence[int], width: int = 8) -> Callable[[Any], Any]:
    """Make a module that embeds some columns and encodes others one-hot, before the numbers."""

    def modules(torch: Any) -> Any:
        functional = torch.nn.functional

        class OfCodes(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.tables = torch.nn.ModuleList(
                    torch.nn.Embedding(CODES[column], width, padding_idx=0) for column in embedded
                )
                self.rest = torch.nn.Sequential(torch.nn.LazyLinear(HIDDEN), torch.nn.ReLU())

            def forward(self, x: Any, codes: Any) -> Any:
                parts = [functional.one_hot(codes[:, column], CODES[column])[:, 1:].to(x.dtype) for column in hot]
                parts += [table(codes[:, column]) for column, table in zip(embedded, self.tables, strict=True)]
                return self.rest(torch.cat([*parts, x], 1))

        return OfCodes()

    return modules


def _with_codes(layer: dict[str, Any], modules: Callable[[Any], Any]) -> Case:
    beside = {"kind": "beside", "layers": [layer, {"kind": "activation", "name": "identity"}]}
    return Case([beside, DENSE, RELU], modules, has_codes=True)


def _activation(name: str) -> Case:
    def make(torch: Any) -> Any:
        functions = {
            "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
            "identity": lambda x: x,
            "scaled_tanh": lambda x: 1.7159 * torch.tanh(2 / 3 * x),
            "unbent": lambda x: torch.clamp(x, -2.85, 2.85) * (1 - torch.clamp(x, -2.85, 2.85) ** 2 / 9).rsqrt(),
        }
        return _module(torch, functions.get(name) or getattr(torch.nn.functional, name))

    return Case([DENSE, {"kind": "activation", "name": name}], _after(make))


MEMBERS: dict[str, Any] = {"kind": "repeat", "members": 4}

CASES = {
    "dense": Case([DENSE, RELU], _after(lambda torch: torch.nn.ReLU())),
    "chain": Case([{"kind": "chain", "layers": [DENSE, RELU]}], _after(lambda torch: torch.nn.ReLU())),
    "scaling": Case(
        [{"kind": "scaling"}, DENSE, RELU],
        _first(lambda torch: _module(torch, lambda x, scales: x * scales, torch.ones(FEATURES))),
    ),
    "normalisation": Case([{"kind": "normalisation"}, DENSE, RELU], _first(lambda torch: torch.nn.LayerNorm(FEATURES))),
    "dropout": Case(
        [DENSE, RELU, {"kind": "dropout", "rate": 0.1}],
        _after(lambda torch: torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout(0.1))),
    ),
    "parametric": Case([DENSE, {"kind": "parametric", "name": "gelu"}], _after(_parametric)),
    "prelu": Case([DENSE, {"kind": "prelu"}], _after(lambda torch: torch.nn.PReLU(HIDDEN))),
    "periodic": Case([{"kind": "periodic"}, DENSE, RELU], _first(_periodic)),
    "piecewise_linear": Case(
        [{"kind": "piecewise_linear", "bins": 16, "width": 4}, DENSE, RELU], _first(_piecewise_linear)
    ),
    "beside": Case(
        [{"kind": "beside", "layers": [{"kind": "scaling"}, {"kind": "dense", "units": 8}]}, DENSE, RELU],
        _first(_beside),
    ),
    "add": Case(
        [{"kind": "add", "layers": [{"kind": "scaling"}, {"kind": "dense", "units": FEATURES}]}, DENSE, RELU],
        _first(_add),
    ),
    "plus": Case(
        [DENSE, RELU, {"kind": "plus", "layers": [{"kind": "chain", "layers": [DENSE, RELU]}]}], _after(_plus)
    ),
    "repeat": Case(
        [MEMBERS, DENSE, RELU],
        _first(lambda torch: _module(torch, lambda x: x.repeat(4, 1))),
        members=4,
    ),
    "vote": Case(
        [{"kind": "vote", "layers": [{"kind": "chain", "layers": [DENSE, RELU]}] * 2}], _of_numbers(_vote), members=2
    ),
    "adapters": Case(
        [MEMBERS, {"kind": "adapters", "units": HIDDEN, "members": 4, "random": True}, RELU],
        _of_numbers(_adapters),
        members=4,
    ),
    "embedding": _with_codes({"kind": "embedding"}, _of_codes((0, 1, 2), ())),
    "one_hot": _with_codes({"kind": "one_hot"}, _of_codes((), (0, 1, 2))),
    "categories": _with_codes({"kind": "categories"}, _of_codes((1, 2), (0,))),
    **{f"activation {name}": _activation(name) for name in activations},
    "label smoothing": Case([DENSE, RELU], _after(lambda torch: torch.nn.ReLU()), label_smoothing=0.1),
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.layers", description=__doc__)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200, help="of a turn")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help=f"a folder (default: {RESULTS}/<machine>)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())

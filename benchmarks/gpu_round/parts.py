"""The parts of a round, in order of importance."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """A part of the round.

    Attributes
    ----------
    name, title : str
        Name for the command line, and title for readers.
    where : str
        ``module:function``; the function takes `Findings` and `Surroundings`.
    cost : int
        Approximate seconds on a GPU, with nothing compiled before.
    limit : int
        Time limit in seconds.
    small_cost : int or None
        Approximate seconds with a stand-in on two cores; ``None`` if another part then runs the same code.
    """

    name: str
    title: str
    where: str
    cost: int
    limit: int
    small_cost: int | None = 5

    def seconds(self, *, stand_in: bool) -> int | None:
        """The applicable cost."""
        return self.small_cost if stand_in else self.cost


_HERE = "benchmarks.gpu_round"

PARTS = [
    Part("machine", "Libraries, driver, card, clocks", f"{_HERE}.hardware:machine", 25, 90),
    Part("verify-quickstart", "verify on quickstart.toml", f"{_HERE}.parity:verify_quickstart", 60, 180),
    Part("verify-mnist", "verify on mnist.toml", f"{_HERE}.parity:verify_mnist", 40, 180),
    Part("verify-table", "verify on the recipe for tables", f"{_HERE}.parity:verify_table", 90, 240),
    Part("devices", "A missing device", f"{_HERE}.memory:devices", 25, 60),
    Part("same-bits", "The same bits twice", f"{_HERE}.parity:same_bits", 70, 150, 10),
    Part("tf32", "TF32 off and on", f"{_HERE}.parity:tf32", 25, 60),
    Part("memory", "Memory: given back, and run out of", f"{_HERE}.memory:memory", 45, 120),
    Part("suite", "The whole suite", f"{_HERE}.suite:suite", 180, 480, 15),
    Part("mnist-cupy", "mnist-cupy.toml in full", f"{_HERE}.training:mnist_cupy", 40, 120),
    Part("table", "The recipe for tables in full", f"{_HERE}.training:table", 60, 180),
    Part("peers-small", "Beside other libraries: batches of 1 and 32", f"{_HERE}.timing:peers_small", 65, 240, 8),
    Part("stacks", "A step of 1, 5, 20 and 80 stacked runs", f"{_HERE}.timing:stacks_of_runs", 60, 180),
    Part("table-4", "The coursework's Table 4", f"{_HERE}.timing:table_4", 20, 120),
    Part("peers-large", "Beside other libraries: larger works", f"{_HERE}.timing:peers_large", 75, 240, None),
    Part("accuracy", "Beside other libraries: to an accuracy", f"{_HERE}.timing:accuracy", 60, 240, 8),
    Part("grid", "Beside other libraries: the grid", f"{_HERE}.timing:grid", 50, 240, 8),
    Part("torch-compile", "Beside torch.compile", f"{_HERE}.timing:torch_compile", 120, 300, None),
]
"""All parts."""


def named(names: str | None) -> list[Part]:
    """Return the parts named, as in ``verify-mnist,suite``, in order of importance; all parts if none is named.

    Raises
    ------
    ValueError
        If there is no part with a name.
    """
    if names is None:
        return PARTS
    wanted = [name.strip() for name in names.split(",")]
    known = [part.name for part in PARTS]
    for name in wanted:
        if name not in known:
            raise ValueError(f"--parts: there is no part {name!r}; there are {', '.join(known)}.")
    return [part for part in PARTS if part.name in wanted]

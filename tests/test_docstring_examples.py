"""The examples in docstrings run, and each public function and estimator has one."""

import doctest
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def public(module: str) -> dict[str, Any]:
    """The functions that a module offers, and of the package itself the estimators."""
    names, room = importlib.import_module(module).__all__, importlib.import_module(module)
    found = {f"{module}.{name}": getattr(room, name) for name in names}
    return {
        name: one
        for name, one in found.items()
        if inspect.isfunction(one) or (inspect.isclass(one) and one.__module__.startswith("xpmlp.estimator"))
    }


PUBLIC = {
    name: one for room in ("xpmlp", "xpmlp.nn", "xpmlp.optim", "xpmlp.data") for name, one in public(room).items()
}
OTHERS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for file in (ROOT / "xpmlp").rglob("*.py")
    if ">>>" in file.read_text() and file.name != "__init__.py"
)


def run(examples: list[doctest.DocTest]) -> int:
    """Run examples, and give their number."""
    runner = doctest.DocTestRunner(verbose=False)
    for example in examples:
        report: list[str] = []
        assert not runner.run(example, out=report.append).failed, "".join(report)
    return runner.tries


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_function_has_an_example(name: str) -> None:
    assert ">>>" in (inspect.getdoc(PUBLIC[name]) or ""), f"{name} has no example in its docstring"


@pytest.mark.parametrize("module", [*OTHERS, "xpmlp.optim"])
def test_the_examples_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [one for one in doctest.DocTestFinder().find(importlib.import_module(module)) if one.examples]
    assert run(found)

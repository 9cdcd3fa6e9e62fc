"""Transfers between host and device use two functions, and imports have one direction: checked in the source code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import xpmlp

PACKAGE = Path(xpmlp.__file__).parent

MOVING = {
    *("asnumpy", "cpu", "cuda", "device_get", "device_put", "from_dlpack", "from_numpy", "numpy", "to_device"),
    *("as_tensor", "from_buffer", "tensor"),
}
"""Methods and functions of array libraries that move an array, or share its memory with another library."""

NAMESPACES = {"xp", "cupy", "jnp", "torch", "jax"}
"""Names by which modules call a namespace whose arrays may live on a device."""

READERS = {"float", "int", "bool"}
"""Functions of Python's that read a number of an array."""

ALLOWED = {
    ("backend/base.py", "asarray"): "the one function",
    ("backend/base.py", "adopt"): "from an accelerator to the same one, of another library",
    ("backend/cupy.py", "asarray"): "the one function",
    ("backend/jax.py", "asarray"): "the one function",
    ("backend/cupy.py", "to_numpy"): "the other function",
    ("backend/strict.py", "to_numpy"): "the other function",
    ("backend/torch.py", "to_numpy"): "the other function",
    ("backend/blas.py", "address"): "the address of an array of NumPy's",
    ("training/arrays.py", "host_array"): "within the host's memory: it refuses arrays that are elsewhere",
}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a module, each with the function that it stands in."""

    def within(node: ast.AST, name: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield name, child
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from within(child, child.name if is_function else name)  # type: ignore[attr-defined]

    return within(ast.parse(path.read_text(encoding="utf-8")), "")


def is_namespace(node: ast.AST, *names: str) -> bool:
    """Whether an expression is one of the names, by default those in `NAMESPACES`, or an attribute so called."""
    return getattr(node, "id", getattr(node, "attr", "")).lstrip("_") in (names or NAMESPACES)


def moves(call: ast.Call) -> bool:
    """Whether a call moves an array between host and device, or reads numbers of one on the host."""
    function = call.func
    if isinstance(function, ast.Attribute):
        owner = getattr(function.value, "attr", getattr(function.value, "id", ""))
        if function.attr in MOVING and owner != "inference":  # whose to_device is ours
            return True
        copied = any(keyword.arg == "copy" for keyword in call.keywords)  # from an array that is there
        return function.attr in ("asarray", "array") and is_namespace(function.value) and not copied
    reads = isinstance(function, ast.Name) and function.id in READERS and call.args
    return bool(reads) and any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and is_namespace(inner.func.value, "xp")
        for inner in ast.walk(call.args[0])
        if not within_to_numpy(call.args[0], inner)
    )


def within_to_numpy(expression: ast.AST, wanted: ast.AST) -> bool:
    """Whether a part of an expression is an argument of `Backend.to_numpy`, or says something of a type alone."""
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("to_numpy", "to_host", "finfo", "iinfo")
        and any(inner is wanted for inner in ast.walk(node))
        for node in ast.walk(expression)
    )


MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def test_arrays_move_by_two_functions_alone() -> None:
    found = {
        (module, name): f"{module}:{call.lineno}: {ast.unparse(call)}"
        for module in MODULES
        for name, call in calls(PACKAGE / module)
        if moves(call)
    }
    assert not {place: what for place, what in found.items() if place not in ALLOWED}
    assert found.keys() == ALLOWED.keys()  # no exception outlives its reason


@pytest.mark.parametrize(
    ("code", "is_moved"),
    [
        ("xp.asarray(x)", True),
        ("self.xp.asarray(x, dtype=y)", True),
        ("xp.asarray(x, copy=True)", False),
        ("backend.asarray(x)", False),
        ("np.asarray(x)", False),
        ("x.numpy(force=True)", True),
        ("self._jax.device_put(x)", True),
        ("float(xp.sum(x))", True),
        ("bool(self.backend.xp.all(x) & y)", True),
        ("float(backend.to_numpy(xp.sum(x)))", False),
        ("float(xp.finfo(x.dtype).max)", False),
    ],
)
def test_what_is_looked_for(code: str, is_moved: bool) -> None:
    (outermost, *_) = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))
    assert moves(outermost) == is_moved


def imports(module: str) -> set[str]:
    """The modules of the backends that a module imports anywhere, for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xpmlp"):
            assert node.module is not None
            inner = [f"{node.module}.{name.name}" for name in node.names]
            found |= {name.removeprefix("xpmlp.").replace(".", "/") for name in (*inner, node.module)}
    paths = {f"{name}{end}" for name in found for end in (".py", "/__init__.py")}
    return {path for path in paths if path in MODULES and path.startswith("backend/")}


def test_no_backend_module_imports_in_a_circle() -> None:
    graph = {module: imports(module) for module in MODULES if module.startswith("backend/")}
    packages = {"backend/__init__.py", "backend/compiled/__init__.py"}
    assert not [module for module in graph if module not in packages and "backend/__init__.py" in graph[module]]
    for module, targets in graph.items():
        graph[module] = targets - packages if module.startswith("backend/compiled/") else targets
    list(TopologicalSorter(graph).static_order())

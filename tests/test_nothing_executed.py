"""The package never executes, unpickles or passes to a shell the contents of a file: its syntax trees are searched."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpmlp

PACKAGE = Path(xpmlp.__file__).parent

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "dbm", "yaml", "code"),
    *("xmlrpc", "jsonpickle", "imp", "runpy", "tarfile"),
}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "execfile", "breakpoint"}
FORBIDDEN_CALLS = {
    *("os.system", "os.popen", "os.execv", "os.execvp", "os.spawnv", "pty.spawn"),
    *("torch.load", "torch.jit.load", "pd.read_pickle", "pandas.read_pickle", "np.fromregex", "numpy.fromregex"),
    *("shutil.unpack_archive", "tempfile.mktemp", "np.loadtxt", "np.genfromtxt", "cupy.load", "cp.load"),
}
IMPORTERS = {"__init__.py", "_optional.py", "_records.py", "backend/registry.py"}
"""The files that import modules by a name that is worked out: their own, optional libraries', and what is allowed."""

MUST_SAY = {
    **dict.fromkeys(("np.load", "numpy.load", "np.save", "numpy.save", "format.read_array"), ("allow_pickle", False)),
}
UNPACKING = {"extract", "extractall"}


def offences(source: str) -> Iterator[str]:
    """Find all that could run what a file of code reads."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                yield from (name.name for name in names if name.name.split(".")[0] in FORBIDDEN_MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
                yield module
            case ast.Name(name) if name in FORBIDDEN_NAMES:
                yield name
            case ast.Call(function, _, keywords):
                yield from _call_offences(ast.unparse(function), keywords)


def _call_offences(called: str, keywords: list[ast.keyword]) -> Iterator[str]:
    said = {keyword.arg: keyword.value for keyword in keywords}
    if called in FORBIDDEN_CALLS or called.rsplit(".", 1)[-1] in UNPACKING:
        yield called
    if called in MUST_SAY:
        option, value = MUST_SAY[called]
        given = said.get(option)
        if not (isinstance(given, ast.Constant) and given.value is value):
            yield f"{called} without {option}={value}"
    shell = said.get("shell")
    if shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False):
        yield f"{called} with a shell"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_runs_nothing_that_it_reads(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


def test_no_other_file_imports_by_a_name_that_is_worked_out() -> None:
    importers = {path for path in PACKAGE.rglob("*.py") if "import_module" in path.read_text(encoding="utf-8")}
    assert {path.relative_to(PACKAGE).as_posix() for path in importers} == IMPORTERS
    assert "importlib.import_module(module)" in (PACKAGE / "_records.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml\nyaml.load(text)",
        "import joblib.hashing",
        "eval(text)",
        "run = exec",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
        "np.save(path, array)",
        "torch.load(path)",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "archive.extractall(folder)",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert list(offences(source))


@pytest.mark.parametrize("source", ["np.load(path, allow_pickle=False)", "evaluate(x)", "re.match(x)", "json.loads(x)"])
def test_the_search_lets_pass(source: str) -> None:
    assert list(offences(source)) == []

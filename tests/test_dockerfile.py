"""The Dockerfile installs what pyproject.toml names and copies what is there, and nothing else."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALLERS = re.compile(r"\b(pip3?|apt-get|apt|apk|conda|uv|curl|wget|npm)\b")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions with their arguments, continuation lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


DOCKERFILE = instructions((ROOT / "Dockerfile").read_text())


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in DOCKERFILE if instruction == name]


def installs() -> list[str]:
    """Every command that installs something."""
    commands = [command.strip() for rest in arguments("RUN") for command in rest.split("&&")]
    return [command for command in commands if INSTALLERS.search(command)]


def test_the_only_thing_installed_is_the_project() -> None:
    (command,) = installs()
    assert command.split()[1:] == ["install", "--no-cache-dir", '".${EXTRA:+[$EXTRA]}"']


def test_the_extra_is_one_that_pyproject_names() -> None:
    (default,) = [rest.removeprefix("EXTRA=") for rest in arguments("ARG") if rest.startswith("EXTRA=")]
    assert default in PROJECT["optional-dependencies"]
    assert {"cuda12", "cuda13"} <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize(("extra", "status"), [("cuda13", 0), ("cuda12", 0), ("", 0), ("cuda14", 2), ("torch", 2)])
def test_a_mistyped_extra_stops_the_build(extra: str, status: int) -> None:
    (guard,) = [rest for rest in arguments("RUN") if rest.startswith("case ")]
    done = subprocess.run(["sh", "-c", guard], env={"EXTRA": extra}, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr == (f"EXTRA is {extra}: give cuda13, cuda12, or nothing\n" if status else "")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for rest in arguments("COPY"):
        *sources, _ = rest.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_what_the_build_needs_is_copied() -> None:
    copied = {source for rest in arguments("COPY") for source in rest.split()[:-1]}
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "xpmlp", "configs"} <= copied


def test_it_runs_the_program_as_an_ordinary_user() -> None:
    names = [instruction for instruction, _ in DOCKERFILE]
    assert arguments("ENTRYPOINT") == ['["xpmlp"]']
    assert arguments("USER") == ["xpmlp"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "xpmlp" in PROJECT["scripts"]


def test_data_and_runs_are_volumes() -> None:
    (volumes,) = arguments("VOLUME")
    assert volumes == '["/data", "/workspace/runs"]'
    assert any("XPMLP_DATA_DIR=/data" in rest for rest in arguments("ENV"))


@pytest.mark.parametrize(
    "line", ["RUN pip install leftpad", "RUN apt-get install -y curl", "RUN python3 -m pip install -U wheel"]
)
def test_another_installation_would_be_noticed(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_dockerfile.DOCKERFILE", [*DOCKERFILE, *instructions(line)])
    with pytest.raises(ValueError, match="too many values"):
        test_the_only_thing_installed_is_the_project()

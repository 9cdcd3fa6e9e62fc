"""The Dockerfile installs pyproject.toml's requirements, pinned; the files it copies exist; compose.yaml builds it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTALLERS = re.compile(r"\b(pip3?|apt-get|apt|apk|conda|uv|curl|wget|npm)\b")
EXTRAS = ["cuda13", "cuda12", "numba", ""]


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


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_the_only_thing_installed_is_the_project_with_its_libraries_pinned() -> None:
    assert installs() == [
        'pip install --no-cache-dir --constraint constraints.txt ".${EXTRA:+[$EXTRA]}"',
        "pip install --no-cache-dir --no-deps --force-reinstall .",
    ]


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_requirement_has_a_pin_that_meets_it(extra: str) -> None:
    pinned = pins()
    for line in PROJECT["dependencies"] + (PROJECT["optional-dependencies"][extra] if extra else []):
        requirement = Requirement(line)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_the_default_extra_is_one_that_pyproject_names() -> None:
    (default,) = [rest.removeprefix("EXTRA=") for rest in arguments("ARG") if rest.startswith("EXTRA=")]
    assert default in PROJECT["optional-dependencies"]


@pytest.mark.parametrize(("extra", "status"), [*((extra, 0) for extra in EXTRAS), ("cuda14", 2), ("torch", 2)])
def test_a_mistyped_extra_stops_the_build(extra: str, status: int) -> None:
    (guard,) = [rest for rest in arguments("RUN") if rest.startswith("case ")]
    done = subprocess.run(["sh", "-c", guard], env={"EXTRA": extra}, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr == (f"EXTRA is {extra}: give cuda13, cuda12, numba, or nothing\n" if status else "")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for rest in arguments("COPY"):
        *sources, _ = rest.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source.partition('/')[0]}" in ignored, source


def test_what_the_build_needs_is_copied_before_it() -> None:
    def copied_before(command: str) -> set[str]:
        (end,) = [i for i, (_, rest) in enumerate(DOCKERFILE) if rest == command]
        return {source for name, rest in DOCKERFILE[:end] if name == "COPY" for source in rest.split()[:-1]}

    libraries, program = (copied_before(command) for command in installs())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"]["path"]
    assert libraries == {
        "constraints.txt",
        "pyproject.toml",
        PROJECT["readme"],
        *PROJECT["license-files"],
        "configs",
        version,
    }
    assert program == libraries | {"xpmlp"}


def test_it_runs_the_program_as_an_ordinary_user() -> None:
    names = [instruction for instruction, _ in DOCKERFILE]
    assert arguments("ENTRYPOINT") == ['["xpmlp"]']
    assert arguments("USER") == ["1000:1000"]
    assert max(i for i, name in enumerate(names) if name in {"COPY", "RUN"}) < names.index("USER")
    assert "xpmlp" in PROJECT["scripts"]


def test_any_user_may_write_where_the_program_writes() -> None:
    (command,) = [rest for rest in arguments("RUN") if "install --directory --mode 1777" in rest]
    home = re.search(r"HOME=(\S+)", " ".join(arguments("ENV")))
    assert home is not None
    for folder in (home[1], arguments("WORKDIR")[-1]):
        assert folder in command.split(" && ")[0].split()


def test_compose_builds_both_variants_and_mounts_what_the_image_reads_and_writes() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML, which comes with the dask extra, is not installed")
    text = (ROOT / "compose.yaml").read_text()
    assert text.count("\n") < 30
    services = yaml.safe_load(text)["services"]
    assert services.keys() == {"cpu", "gpu"}
    assert services["cpu"]["build"] == {"context": ".", "args": {"EXTRA": "numba"}}
    assert services["gpu"]["build"] == "."
    (device,) = services["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    environment = dict(pair.split("=") for rest in arguments("ENV") for pair in rest.split())
    for service in services.values():
        assert service["volumes"] == [
            f"./data:{environment['XPMLP_DATA_DIR']}:ro",
            f"./runs:{arguments('WORKDIR')[-1]}/runs",
            f"home:{environment['HOME']}",
        ]


@pytest.mark.parametrize(
    "line", ["RUN pip install leftpad", "RUN apt-get install -y curl", "RUN python3 -m pip install -U wheel"]
)
def test_another_installation_would_be_noticed(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_dockerfile.DOCKERFILE", [*DOCKERFILE, *instructions(line)])
    with pytest.raises(AssertionError):
        test_the_only_thing_installed_is_the_project_with_its_libraries_pinned()

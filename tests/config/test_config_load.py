"""Loading: names, paths, files that extend others, overrides, and the conversion back to TOML."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xpmlp.config import Config, DataConfig, load_config, parse_override
from xpmlp.errors import ConfigError
from xpmlp.nn import LayerSpec, activations
from xpmlp.optim import optimizers

Write = Callable[..., Path]
Mistakes = Callable[..., list[str]]
DIGITS = '[data]\nname = "digits"\n'


def test_a_config_is_named_after_its_file(write: Write) -> None:
    assert load_config(write(DIGITS, "big.net.toml")).name == "big.net"
    assert load_config(str(write(DIGITS, "small.toml"))).name == "small"
    assert Config(data=DataConfig(name="digits")).name == "run"


def test_a_windows_byte_order_mark_is_no_mistake(write: Write) -> None:
    assert load_config(write("\ufeff" + DIGITS)).data.name == "digits"


def test_the_toml_of_a_config_loads_to_an_equal_one(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(
        write(
            """
            [backend]
            device = "cuda:0"
            threads = 2
            [data]
            name = "csv"
            path = "mine \\u00e9 \\"x\\".csv"
            [model]
            hidden_layer_sizes = []
            [train]
            epsilon = 1e-8
            learning_rate = 1
            [output]
            folder = "out"
            """
        )
    )
    elsewhere = write(config.to_toml(), "elsewhere/config.toml")
    monkeypatch.chdir("/")
    assert load_config(elsewhere) == config


def test_the_toml_holds_every_key() -> None:
    config = Config(data=DataConfig(name="digits"))
    tables = tomllib.loads(config.to_toml())
    assert {section: set(table) for section, table in tables.items()} == {
        section: set(table) for section, table in config.model_dump().items()
    }
    assert tables["backend"]["device"] == "none"


texts = st.text(st.characters(codec="utf-8"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    target=texts,
    sizes=st.lists(st.integers(1, 10**6)),
    rate=st.floats(0, allow_infinity=False),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_values_survive_the_way_through_toml(
    tmp_path: Path, target: str, sizes: list[int], rate: float, seed: int
) -> None:
    config = Config.model_validate(
        {
            "data": {"name": "csv", "path": "/x.csv", "target": target},
            "model": {"hidden_layer_sizes": sizes},
            "train": {"learning_rate": rate, "seed": seed},
        }
    )
    path = tmp_path / "net.toml"
    path.write_bytes(config.to_toml().encode())
    assert load_config(path) == config


def test_paths_are_relative_to_the_file_that_holds_them(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    path = write('[data]\nname = "csv"\npath = "x.csv"\n', "a/base.toml")
    assert load_config(path).data.path == tmp_path / "a" / "x.csv"
    child = write('extends = "../a/base.toml"\n', "b/child.toml")
    assert load_config(child).data.path == tmp_path / "b/../a/x.csv"
    root = write('[data]\nname = "mnist"\nroot = "idx"\n', "c/net.toml")
    assert load_config(root).data.root == tmp_path / "c" / "idx"
    assert load_config(root).output.folder == Path("runs")


def test_paths_may_be_absolute_or_at_home(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert load_config(write('[data]\nname = "csv"\npath = "/x.csv"\n')).data.path == Path("/x.csv")
    config = load_config(write('[data]\nname = "csv"\npath = "~/x.csv"\n[output]\nfolder = "~/runs"'))
    assert config.data.path == Path("/home/someone/x.csv")
    assert config.output.folder == Path("/home/someone/runs")


def test_overridden_paths_are_relative_to_the_working_directory(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = load_config(write('[data]\nname = "csv"\npath = "x.csv"\n'), {"data.path": "y.csv"})
    assert config.data.path == tmp_path / "here" / "y.csv"


def test_extending_merges_key_by_key(write: Write) -> None:
    write(DIGITS + "[train]\nepochs = 3\nseed = 4\npatience = 2\n[backend]\nname = 'jax'", "bottom.toml")
    write('extends = "../bottom.toml"\n[train]\nepochs = 5\n[model]\nactivation = "tanh"', "sub/middle.toml")
    top = write('extends = "sub/middle.toml"\n[train]\nseed = 6\npatience = "none"\n', "top.toml")
    config = load_config(top)
    assert (config.train.epochs, config.train.seed, config.train.patience) == (5, 6, None)
    assert (config.model.activation, config.backend.name, config.name) == ("tanh", "jax", "top")


def test_mistakes_are_named_after_the_file_they_are_in(write: Write, mistakes: Mistakes) -> None:
    write(DIGITS + "[train]\nepochs = 0\nseed = -1\n", "base.toml")
    lines = mistakes('extends = "base.toml"\n[train]\nseed = -2\n')
    assert lines == [
        'base.toml: train.epochs = 0 is not allowed: give "auto", or an integer of at least 1.',
        "net.toml: train.seed = -2 is not allowed: give an integer of at least 0 and less than 4294967296.",
    ]


def test_extends_that_cannot_be_followed(write: Write, mistakes: Mistakes) -> None:
    assert mistakes("extends = 3") == ["net.toml: extends = 3 is not allowed: give the name of another config file."]
    write(DIGITS, "mnist.toml")
    assert mistakes('extends = "mnits.toml"') == [
        "net.toml extends mnits.toml: there is no such file; did you mean 'mnist.toml'?"
    ]
    write("[data", "broken.toml")
    (line,) = mistakes('extends = "broken.toml"')
    assert line.startswith("net.toml extends broken.toml, line 1, column 6: not valid TOML")


def test_extends_a_config_of_the_package(write: Write, mistakes: Mistakes) -> None:
    shipped = load_config("xpmlp:quickstart.toml")
    config = load_config(write('extends = "xpmlp:quickstart.toml"\n[train]\nseed = 6\n', "own.toml"))
    assert config.train.seed == 6
    assert config.model == shipped.model
    assert [path.name for path in config.files] == ["own.toml", "quickstart.toml"]
    for name in ("nothing.toml", "../pyproject.toml", "report/../mnist.toml", "", "/etc/hosts"):
        (line,) = mistakes(f'extends = "xpmlp:{name}"')
        assert f"is not allowed: xpmlp has no config xpmlp:{name}; it has xpmlp:" in line
        assert "xpmlp:quickstart.toml" in line


def test_a_path_takes_the_place_of_arrays(write: Write, mistakes: Mistakes) -> None:
    table = '[data]\npath = "a.csv"\ntarget = "kind"\n'
    assert load_config(write(f'extends = "xpmlp:table.toml"\n{table}')).data.name == "table"
    assert load_config("xpmlp:table.toml").data.name == "arrays"
    (line, *_) = mistakes(f'extends = "xpmlp:mnist.toml"\n{table}')
    assert 'is for data.name = "csv", "npz" or "table" only' in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_extends_does_not_wait_for_a_pipe(mistakes: Mistakes, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    assert mistakes('extends = "pipe.toml"') == ['net.toml: extends = "pipe.toml" is not allowed: it is no file.']


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="there is no /proc")
def test_a_file_is_read_as_far_as_it_says_it_goes(write: Write) -> None:
    """/proc/kmsg says that it is empty, too, and was read without an end."""
    assert load_config(write('extends = "/proc/self/status"\n' + DIGITS)).data.name == "digits"


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="open files have no names")
def test_a_config_may_be_piped_in() -> None:
    receiver, sender = os.pipe()
    try:
        os.write(sender, DIGITS.encode())
        os.close(sender)
        assert load_config(f"/dev/fd/{receiver}").data.name == "digits"
    finally:
        os.close(receiver)


def test_extends_that_goes_round_in_a_circle(write: Write, mistakes: Mistakes) -> None:
    assert mistakes('extends = "net.toml"') == ["net.toml: extends goes round in a circle: net.toml -> net.toml."]
    write('extends = "net.toml"', "other.toml")
    assert mistakes('extends = "./other.toml"') == [
        "other.toml: extends goes round in a circle: net.toml -> other.toml -> net.toml."
    ]


def test_extends_that_does_not_end(write: Write, mistakes: Mistakes) -> None:
    for number in range(12):
        write(f'extends = "{number + 1}.toml"', f"{number}.toml")
    write(DIGITS, "12.toml")
    assert load_config(write('extends = "4.toml"')).data.name == "digits"  # 10 files with net.toml
    assert mistakes('extends = "3.toml"') == ["net.toml: more than 10 files extend one another; merge some of them."]


def test_overrides(write: Write) -> None:
    path = write(DIGITS + "[train]\nepochs = 3\nseed = 4\n")
    config = load_config(path, {"train.epochs": 1, "model": {"activation": "tanh"}, "train.patience": None})
    assert (config.train.epochs, config.train.seed, config.model.activation) == (1, 4, "tanh")
    assert load_config(write("", "empty.toml"), {"data.name": "synth"}).data.name == "synth"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("train.epoch", 1, "train.epoch = 1: there is no such key in [train]; did you mean 'epochs'?"),
        ("train.epochs", 1.5, 'train.epochs = 1.5 is not allowed: give "auto", or an integer of at least 1.'),
        ("epochs", 1, "epochs = 1: there is no such key at the top level; it belongs in a section: "),
        ("trian.epochs", 1, "[trian]: there is no such section; did you mean [train]?"),
        ("train.epochs.x", 1, 'train."epochs.x" = 1: there is no such key in [train]; did you mean'),
        ("train..epochs", 1, 'train.".epochs" = 1: there is no such key in [train]; did you mean'),
        ("train", 1, "train = 1 is not allowed: [train] is a table of keys with values."),
        ("extends", "x.toml", 'extends = "x.toml": there is no such key at the top level; the sections are'),
    ],
)
def test_mistaken_overrides(mistakes: Mistakes, key: str, value: Any, line: str) -> None:
    (given,) = mistakes(DIGITS, {key: value})
    assert given.startswith(line)


def test_overrides_by_records(write: Write) -> None:
    layers = (LayerSpec("dense", (("units", 4),)),)
    assert load_config(write(DIGITS), {"model.layers": layers}).model.layers == [{"kind": "dense", "units": 4}]
    own = {"model.activation": activations["tanh"], "train.optimizer": optimizers["adam"]}
    config = load_config(write(DIGITS), own)
    assert (config.model.activation, config.train.optimizer) == ("tanh", "adam")


def test_mistaken_overrides_begin_with_their_origin(write: Write) -> None:
    with pytest.raises(ConfigError, match=r"^--set train\.epochs = 0 is not allowed"):
        load_config(write(DIGITS), {"train.epochs": 0}, origin="--set ")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", np.int64(2), 2),
        ("train.learning_rate", np.float32(0.5), 0.5),
        ("train.shuffle", np.bool_(False), False),
        ("train.epochs", np.array(2), 2),
        ("model.hidden_layer_sizes", (4, np.int32(3)), [4, 3]),
        ("model.hidden_layer_sizes", np.array([4, 3]), [4, 3]),
        ("model", {"hidden_layer_sizes": (4, 3)}, [4, 3]),
        ("model.activation", np.str_("tanh"), "tanh"),
    ],
)
def test_overrides_of_numpy_and_tuples(write: Write, key: str, value: Any, expected: Any) -> None:
    section, _, name = key.partition(".")
    config = load_config(write(DIGITS), {key: value})
    assert getattr(getattr(config, section), name or "hidden_layer_sizes") == expected


def test_a_refused_table_is_shown_and_each_alternative_said_once(mistakes: Mistakes) -> None:
    instead = (
        '"balanced", or a finite number greater than 0 and less than 1, or a non-empty table, each value a finite '
        'number of at least 0, or a table of these, or "none".'
    )
    for table, shown in (({"yes": -1, "no": {"yes": 1}}, "{ yes = -1, no = {...} }"), ({}, "{}")):
        (line,) = mistakes(DIGITS, {"model.threshold": table})
        assert line == f"model.threshold = {shown} is not allowed: give {instead}"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("train.epochs=1", "train.epochs", 1),
        (" train.epochs = 1 ", "train.epochs", 1),
        ("train.learning_rate=1e-3", "train.learning_rate", 1e-3),
        ("train.learning_rate=.1", "train.learning_rate", 0.1),
        ("train.learning_rate=1.", "train.learning_rate", 1.0),
        ("train.learning_rate=5.e-3", "train.learning_rate", 0.005),
        ("data.path=.", "data.path", "."),
        ("data.path=1.5.csv", "data.path", "1.5.csv"),
        ("train.shuffle=false", "train.shuffle", False),
        ("model.hidden_layer_sizes=[300, 100]", "model.hidden_layer_sizes", [300, 100]),
        ("model={activation = 'tanh'}", "model", {"activation": "tanh"}),
        ("backend.name=torch", "backend.name", "torch"),
        ("backend.name='torch'", "backend.name", "torch"),
        ("backend.device=cuda:0", "backend.device", "cuda:0"),
        ("data.path=/a b/x=1.csv", "data.path", "/a b/x=1.csv"),
        ("train.patience=none", "train.patience", "none"),
        ("train.shuffle=True", "train.shuffle", "True"),
    ],
)
def test_parsing_an_override(text: str, key: str, value: Any) -> None:
    assert parse_override(text) == (key, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.epochs", "--set \"train.epochs\": there is no '='; write --set section.key=value"),
        ("=1", "--set \"=1\": there is no key before the '='"),
        ("train.epochs=", "--set \"train.epochs=\": there is no value after the '='"),
        ("model.hidden_layer_sizes=[1,", '--set "model.hidden_layer_sizes=[1,": "[1," is not a valid TOML value.'),
        ("backend.name='torch", '--set "backend.name=\'torch": "\'torch" is not a valid TOML value.'),
        ("train.epochs=1\nx = 2", '--set "train.epochs=1\\nx = 2": "1\\nx = 2" is not a valid TOML value.'),
        ("train.epochs=" + "[" * 5000, "is not a valid TOML value."),
        ("data.path=\udcff", "not valid Unicode text."),
    ],
)
def test_overrides_that_cannot_be_parsed(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_override(text)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1

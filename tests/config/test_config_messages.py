"""Messages about typing mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from xpmlp.config import DataConfig, ModelConfig, TrainConfig

Mistakes = Callable[..., list[str]]

ACTIVATIONS = (
    '"identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", '
    '"scaled_tanh" or "unbent"'
)

NAME_MISSING = (
    'data.name is missing: give "mnist", "fashion-mnist", "synth", "digits", "csv", "npz", "table" or "arrays".'
)

MESSAGES = {
    "": NAME_MISSING,
    "[data]": NAME_MISSING,
    "[model]\nhidden_layer_size = [3]": (
        "model.hidden_layer_size = [3]: there is no such key in [model]; did you mean 'hidden_layer_sizes'?"
    ),
    "[train]\nLearning-Rate = 0.1": (
        "train.Learning-Rate = 0.1: there is no such key in [train]; did you mean 'learning_rate'?"
    ),
    "[model]\nlearning_rate = 0.1": (
        "model.learning_rate = 0.1: there is no such key in [model]; it belongs in [train]."
    ),
    "[backend]\nzzz = {}": (
        "backend.zzz = {}: there is no such key in [backend]; [backend] takes name, device, dtype, fused, tf32, "
        "threads."
    ),
    "[trian]\nepochs = 1": "[trian]: there is no such section; did you mean [train]?",
    "[zzz]": "[zzz]: there is no such section; the sections are [backend], [data], [model], [train], [grid], [output].",
    "epochs = 1": (
        "epochs = 1: there is no such key at the top level; it belongs in a section: did you mean train.epochs?"
    ),
    "seed = 1": (
        "seed = 1: there is no such key at the top level; it belongs in a section: "
        "did you mean data.seed or train.seed?"
    ),
    "[model]\nseed = 1": "model.seed = 1: there is no such key in [model]; it belongs in [data] or [train].",
    '[train]\nextends = "base.toml"': (
        'train.extends = "base.toml": there is no such key in [train]; '
        "it belongs at the top of the file, above all sections."
    ),
    "zzz = 1": (
        "zzz = 1: there is no such key at the top level; "
        "the sections are [backend], [data], [model], [train], [grid], [output]."
    ),
    "train = 1": "train = 1 is not allowed: [train] is a table of keys with values.",
    "[[train]]": "train = [{...}] is not allowed: [train] is a table of keys with values.",
    '[model]\nactivation = "rleu"': (
        'model.activation = "rleu" is not allowed: give ' + ACTIVATIONS + ", "
        "or a list, each item " + ACTIVATIONS + '; did you mean "relu"?'
    ),
    '[model]\nactivation = "ReLU"': (
        'model.activation = "ReLU" is not allowed: give ' + ACTIVATIONS + ", "
        "or a list, each item " + ACTIVATIONS + '; did you mean "relu"?'
    ),
    "[model]\nactivation = 1": (
        "model.activation = 1 is not allowed: give " + ACTIVATIONS + ", or a list, each item " + ACTIVATIONS + "."
    ),
    '[model]\nloss = "x"': (
        'model.loss = "x" is not allowed: give "auto", "cross_entropy", "logistic", "squared", "poisson", '
        '"absolute", "huber" or "quantile".'
    ),
    "[model]\nquantiles = [0.5, 0.1]": (
        "model.quantiles = [0.5, 0.1] is not allowed: give a list, each item a finite number greater than 0 and less "
        "than 1."
    ),
    '[train]\nepochs = "3"': 'train.epochs = "3" is not allowed: give "auto", or an integer of at least 1.',
    "[train]\nepochs = true": 'train.epochs = true is not allowed: give "auto", or an integer of at least 1.',
    "[train]\npatience = 0": 'train.patience = 0 is not allowed: give an integer of at least 1, or "none".',
    '[train]\npatience = "non"': (
        'train.patience = "non" is not allowed: give an integer of at least 1, or "none"; did you mean "none"?'
    ),
    "[train]\nlearning_rate = nan": ("train.learning_rate = nan is not allowed: give a finite number of at least 0."),
    "[train]\nlearning_rate = inf": ("train.learning_rate = inf is not allowed: give a finite number of at least 0."),
    "[train]\nmomentum = 1": ("train.momentum = 1 is not allowed: give a finite number of at least 0 and less than 1."),
    "[train]\nepsilon = 0": "train.epsilon = 0 is not allowed: give a finite number greater than 0.",
    "[train]\nshuffle = 1": "train.shuffle = 1 is not allowed: give true or false.",
    "[train]\nshuffle = 1979-05-27": "train.shuffle = 1979-05-27 is not allowed: give true or false.",
    '[backend]\ndevice = ""': 'backend.device = "" is not allowed: give a non-empty string, or "none".',
    "[output]\nfolder = 3": "output.folder = 3 is not allowed: give a non-empty path.",
    "[model]\nhidden_layer_sizes = 3": (
        "model.hidden_layer_sizes = 3 is not allowed: give a list, each item an integer of at least 1 and "
        "less than 2147483648."
    ),
    "[model]\nhidden_layer_sizes = [3, 0]": (
        "model.hidden_layer_sizes[1] = 0 is not allowed: give an integer of at least 1 and less than 2147483648."
    ),
    '[train]\n"a\\nb\\u001b" = 1': 'train."a\\nb\\u001b" = 1: there is no such key in [train]; [train] takes epochs,',
}
DIGITS = '[data]\nname = "digits"\n'


@pytest.mark.parametrize("text", MESSAGES)
def test_the_message(mistakes: Mistakes, text: str) -> None:
    needs_data = MESSAGES[text].startswith("data.name")
    (line,) = mistakes(text if needs_data else f"{text}\n{DIGITS}")
    if MESSAGES[text].endswith(","):
        assert line.startswith(f"net.toml: {MESSAGES[text]}")
    else:
        assert line == f"net.toml: {MESSAGES[text]}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ModelConfig(activation="rellu"),
            r'"rellu" is not allowed: give "ident.*; did you mean "relu"\?',
        ),
        (lambda: TrainConfig(optimizer="adamm"), r'"adamm" is not allowed: give "sgd", .*; did you mean "adam"\?'),
        (lambda: DataConfig(name="digts"), r'"digts" is not allowed: give "mnist", .*; did you mean "digits"\?'),
    ],
)
def test_a_misspelt_name_from_python(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()


def test_all_mistakes_at_once(mistakes: Mistakes) -> None:
    wrong = "[trian]\n[train]\nepochs = 0\nseed = -1\nepoch = 1\n[model]\nhidden_layer_sizes = [0, 1.5]\n"
    assert len(mistakes(wrong)) == 7  # data.name is missing, too


def test_very_many_mistakes_are_cut_short(mistakes: Mistakes) -> None:
    lines = mistakes(DIGITS + "[train]\n" + "".join(f"x{number} = 1\n" for number in range(1000)))
    assert len(lines) == 31
    assert lines[-1] == "... and 970 more."


def test_long_values_are_cut_short(mistakes: Mistakes) -> None:
    text = f'{DIGITS}split = "{"x" * 1000}"\nseed = -{"9" * 4000}\n"{"k" * 1000}" = [{"1," * 1000}]'
    lines = mistakes(text)
    assert len(lines) == 3
    assert all(len(line) < 600 for line in lines)
    assert "data.seed = a huge integer is not allowed" in lines[1]


def test_lines_are_separate_in_the_file_that_was_named(tmp_path: Path, mistakes: Mistakes) -> None:
    path = tmp_path / "my net.toml"
    path.write_text(DIGITS + "seed = -1\n", encoding="utf-8")
    assert mistakes(path) == [
        "my net.toml: data.seed = -1 is not allowed: give an integer of at least 0 and less than 4294967296."
    ]

"""``[[model.layers]]``: accepted and refused values, and the keys that they replace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xpmlp.config import Config, DataConfig, ModelConfig, load_config, outside_names
from xpmlp.config.names import tables
from xpmlp.errors import ConfigError
from xpmlp.nn import LayerSpec
from xpmlp.nn.layers import layers, scaling

NESTED: list[dict[str, Any]] = [
    {"kind": "beside", "layers": [{"kind": "periodic", "waves": 4}, {"kind": "scaling"}]},
    {"kind": "plus", "layers": [{"kind": "chain", "layers": [{"kind": "dropout", "rate": 0.5}]}]},
    {"kind": "piecewise_linear", "bins": [[0.0, 1.0], [0.0, 2.0]]},
    {"kind": "embedding", "columns": [0, 2]},
]


def written(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "c.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def model(tmp_path: Path, value: str) -> Config:
    return written(tmp_path, f'data.name = "digits"\n[model]\nlayers = {value}\n')


def test_layers_are_kept_by_the_text(tmp_path: Path) -> None:
    config = Config(data=DataConfig(name="digits"), model=ModelConfig(layers=NESTED))
    assert config.model.layers == NESTED
    assert written(tmp_path, config.to_toml()) == config
    assert [LayerSpec.of(one).table() for one in NESTED] == NESTED


def test_from_python_specs_and_makers_will_do() -> None:
    given: Any = [*map(LayerSpec.of, NESTED[:2]), {"kind": scaling}]
    assert ModelConfig(layers=given).layers == [*NESTED[:2], {"kind": "scaling"}]


def test_tables_of_toml(tmp_path: Path) -> None:
    text = 'data.name = "digits"\n[[model.layers]]\nkind = "dense"\nunits = 8\n[[model.layers]]\nkind = "scaling"\n'
    assert written(tmp_path, text).model.layers == [{"kind": "dense", "units": 8}, {"kind": "scaling"}]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", "model.layers = 3 is no list of layers"),
        ("[3]", "model.layers[0] = 3 is no layer: give a table with its kind"),
        ('[{kind = "dens"}]', 'model.layers[0].kind = "dens" is not allowed: give "activation"'),
        ('[{kind = "dens"}]', 'did you mean "dense"?'),
        ('[{kind = "dense"}]', 'model.layers[0] = { kind = "dense" } has no units, which a layer of kind'),
        ('[{kind = "dense", unit = 3, units = 3}]', "model.layers[0].unit = 3 is no setting of a layer of kind"),
        ('[{kind = "dense", unit = 3, units = 3}]', "did you mean 'units'?"),
        (
            '[{kind = "scaling"}, {kind = "dense", units = 1.5}]',
            "model.layers[1].units = 1.5 is not allowed: give an integer of at least 1",
        ),
        ('[{kind = "dense", units = true}]', "model.layers[0].units = true is not allowed"),
        ('[{kind = "dropout", rate = 1.0}]', "model.layers[0].rate = 1.0 is not allowed: give a finite number"),
        ('[{kind = "activation", name = "rleu"}]', 'did you mean "relu"?'),
        ('[{kind = "embedding", columns = [0.5]}]', "give a list, each item an integer."),
        ('[{kind = "scaling", x = 1}]', '.x = 1 is no setting of a layer of kind "scaling"; it has none.'),
        ('[{kind = "chain"}]', "has no layers, which"),
        ('[{kind = "plus", layers = [{kind = "scaling"}, {kind = "scaling"}]}]', "takes 1: chain them."),
        (
            '[{kind = "chain", layers = [{kind = "dropout"}]}]',
            'model.layers[0].layers[0] = { kind = "dropout" } has no rate',
        ),
    ],
)
def test_mistakes_have_a_sentence(value: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        model(tmp_path, value)
    assert message in str(error.value)
    assert all(": model.layers" in line for line in str(error.value).splitlines())


@pytest.mark.parametrize(
    "beside",
    [
        "model.hidden_layer_sizes = [3]",
        'model.activation = "tanh"',
        "model.dropout = 0.5",
        "grid.hidden_layer_sizes = [[3], [4]]",
        'grid.activation = ["tanh", "relu"]',
    ],
)
def test_what_they_stand_in_the_place_of(beside: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.layers = \[\{\.\.\.\}\] stands in the place of hidden"):
        written(tmp_path, f'data.name = "digits"\nmodel.layers = [{{kind = "scaling"}}]\n{beside}\n')


def test_a_file_that_extends_another_describes_the_layers_anew(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'data.name = "digits"\nmodel.hidden_layer_sizes = [3]\nmodel.dropout = 0.5\nmodel.init = "he_uniform"\n'
    )
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n[[model.layers]]\nkind = "scaling"\n')
    (tmp_path / "c.toml").write_text('extends = "b.toml"\n[model]\nhidden_layer_sizes = [5]\n')
    changed = load_config(tmp_path / "b.toml").model
    assert (changed.layers, changed.dropout, changed.init) == ([{"kind": "scaling"}], 0.0, "he_uniform")
    back = load_config(tmp_path / "c.toml").model
    assert (back.layers, back.hidden_layer_sizes) == ([], [5])


def test_names_from_outside_are_found_and_not_imported(tmp_path: Path) -> None:
    config = model(
        tmp_path,
        '[{kind = "no_module:LAYER", anything = 3}, {kind = "chain", layers = [{kind = "activation", '
        'name = "no_module:F"}, {kind = "dense", units = 3, init = "no_module:I"}]}]',
    )
    found = [(key, table.kind, name) for key, table, name in outside_names(config)]
    assert found == [
        ("model.layers[0].kind", "layer", "no_module:LAYER"),
        ("model.layers[1].layers[0].name", "activation", "no_module:F"),
        ("model.layers[1].layers[1].init", "initializer", "no_module:I"),
    ]


def test_every_setting_of_every_kind_has_a_default_that_is_allowed() -> None:
    needed: dict[str, dict[str, Any]] = {
        "activation": {"name": "relu"},
        "adapters": {"units": 2, "members": 2},
        "dense": {"units": 2},
        "dropout": {"rate": 0.5},
        "parametric": {"name": "relu"},
        "repeat": {"members": 2},
    }
    joining = {"add", "beside", "chain", "plus", "vote"}
    given = [
        {"kind": kind, **needed.get(kind, {}), **({"layers": [{"kind": "scaling"}]} if kind in joining else {})}
        for kind in layers
    ]
    assert ModelConfig(layers=given).layers == given
    assert tables()["layer"] is layers

"""The network of a config's ``[[model.layers]]``, for the widths of its data."""

from __future__ import annotations

from typing import Any

from xpmlp.config import ModelConfig, check_layers
from xpmlp.errors import ConfigError
from xpmlp.nn import LayerSpec, Widths


def layers_of(model: ModelConfig, widths: Widths, n_outputs: int) -> LayerSpec:
    """The layers of a config in a chain, with a dense one for the outputs at its end.

    Parameters
    ----------
    model : ModelConfig
        Dense layers without ``init`` have its ``init`` and ``init_scale``.
    widths : Widths
        Of the inputs.
    n_outputs : int

    Raises
    ------
    ConfigError
        If a layer does not take such inputs, or gives nothing for them.
    """
    check_layers(model.layers)
    drawn = {"init": model.init, **({"init_scale": model.init_scale} if model.init == "normal" else {})}
    specs = [LayerSpec.of(_with_init(table, drawn)) for table in model.layers]
    taken: Widths | int = widths
    for number, spec in enumerate(specs):
        place = f'model.layers[{number}], of kind "{spec.kind}",'
        try:
            taken = spec.maker()(taken).width
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise ConfigError(f"{place} does not fit what it is given: {str(error).rstrip('.')}.") from error
        if not taken:
            raise ConfigError(f"{place} gives no numbers for these data: leave it out, or give codes of categories.")
    return LayerSpec("chain", (), (*specs, LayerSpec.of({"kind": "dense", "units": n_outputs, **drawn})))


def _with_init(table: dict[str, Any], drawn: dict[str, Any]) -> dict[str, Any]:
    joined = {"layers": [_with_init(one, drawn) for one in table["layers"]]} if "layers" in table else {}
    return {**(drawn if table["kind"] == "dense" and "init" not in table else {}), **table, **joined}

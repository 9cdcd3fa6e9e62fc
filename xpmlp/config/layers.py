"""The layers of a network in a config: tables, checked against the signatures of the layers' makers."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from xpmlp._records import RecordTable
from xpmlp.config.names import NameOf, tables
from xpmlp.config.show import show, show_key
from xpmlp.errors import ConfigError
from xpmlp.nn import LayerSpec
from xpmlp.nn.layer import LayerMaker
from xpmlp.nn.layers.settings import Setting

RULE = "rule"
"""The type of an error whose message ends a sentence; see `xpmlp.config.value_types`."""

NOT_ALLOWED = "setting"
"""The type of an error about a setting, with the setting's JSON schema in its context."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class LayersOf(NameOf):
    """The type of a list of layers: annotates ``list``.  Each is a table of ``kind``, and ``layers`` if it joins some.

    In Python, a layer may also be an `xpmlp.nn.LayerSpec`, and a kind the maker itself.
    """

    def sentence(self, name: str) -> str:
        """Describe a layer and its settings."""
        described = [
            f"`{key}`" + ("" if one.default in (None, one.empty) else f" (`{show(one.default)}`)")
            for key, one in _settings(self.table[name]).items()
        ]
        return super().sentence(name) + (f" Settings: {', '.join(described)}." if described else "")

    def names(self, value: Any) -> Iterator[tuple[str, RecordTable[Any], str]]:
        """Yield the kinds, and the names among the settings."""
        for number, layer in enumerate(value):
            yield f"[{number}].kind", self.table, layer["kind"]
            for key, one in _settings(self.table.find(layer["kind"])).items():
                if key in layer and (setting := _bounds(one.annotation)) and setting.names:
                    yield f"[{number}].{key}", tables()[setting.names], layer[key]
            for place, table, name in self.names(layer.get("layers", ())):
                yield f"[{number}].layers{place}", table, name

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Describe a list of tables; the settings of each kind are left open."""
        kind = super().__get_pydantic_json_schema__(schema, handler)
        layer = {"properties": {"kind": kind}, "required": ["kind"], "type": "object"}
        return {"items": layer, "type": "array"}

    def _value(self, given: Any) -> list[dict[str, Any]]:
        mistakes: list[InitErrorDetails] = []
        checked = self._layers(given, (), mistakes)
        if mistakes:
            raise ValidationError.from_exception_data("layers", mistakes)
        return checked

    def _layers(self, given: Any, place: Place, mistakes: list[InitErrorDetails]) -> list[dict[str, Any]]:
        if not isinstance(given, list | tuple):
            mistakes.append(_mistake("is no list of layers, as [[model.layers]] makes.", place, given))
            return []
        return [self._layer(layer, (*place, number), mistakes) for number, layer in enumerate(given)]

    def _layer(self, given: Any, place: Place, mistakes: list[InitErrorDetails]) -> dict[str, Any]:
        if isinstance(given, LayerSpec):
            given = given.table()
        if not isinstance(given, dict) or "kind" not in given:
            mistakes.append(_mistake('is no layer: give a table with its kind, as { kind = "scaling" }.', place, given))
            return {}
        try:
            kind = self._name(given["kind"])
        except ValueError:
            schema = TypeAdapter(Annotated[str, NameOf(self.kind)]).json_schema()
            mistakes.append(_not_allowed(schema, (*place, "kind"), given["kind"]))
            return {}
        maker = self.table.find(kind)
        checked: dict[str, Any] = {"kind": kind}
        for key, value in given.items():
            if key == "layers" and (maker is None or _joined(maker)):
                checked["layers"] = self._layers(value, (*place, key), mistakes)
            elif key != "kind":
                checked[key] = value if maker is None else _setting(kind, maker, key, value, (*place, key), mistakes)
        if maker is not None:
            mistakes += _lacking(kind, maker, checked, place, given)
        return checked


def check_layers(layers: list[dict[str, Any]]) -> None:
    """Check layers again, once kinds from outside the package have been imported.

    Raises
    ------
    ConfigError
        With one line for each mistake.
    """
    try:
        TypeAdapter(Annotated[list[Any], LayersOf("layer")]).validate_python(layers)
    except ValidationError as error:
        from xpmlp.config.explain import explain

        mistakes = error.errors(include_url=False)
        located = [{**mistake, "loc": ("model", "layers", *mistake["loc"])} for mistake in mistakes]
        raise ConfigError(explain(located, lambda location: "")) from None  # type: ignore[arg-type]


def _signature(maker: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(maker, eval_str=True).parameters)
    except NameError:  # a type imported for checkers only: values of any type are accepted
        parameters = inspect.signature(maker).parameters
        return {name: one.replace(annotation=Any) for name, one in parameters.items()}


def _joined(maker: Any) -> list[inspect.Parameter]:
    """Return the parameters that take the layers joined by a layer."""
    return [one for one in _signature(maker).values() if one.annotation == LayerMaker]


def _settings(maker: Any) -> dict[str, inspect.Parameter]:
    """Return the other parameters; none for a maker that is not imported."""
    return {name: one for name, one in _signature(maker).items() if one.annotation != LayerMaker} if maker else {}


def _bounds(annotation: Any) -> Setting | None:
    return next((one for one in get_args(annotation) if isinstance(one, Setting)), None)


@functools.cache
def layer_settings(maker: Any) -> dict[str, TypeAdapter[Any]]:
    """Return the settings of a layer's maker, each with a validator: of a type with bounds, or of a name."""
    return {name: _adapter(one.annotation) for name, one in _settings(maker).items()}


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    setting = _bounds(annotation)
    if setting is not None:
        bounds = Field(ge=setting.minimum, gt=setting.above, lt=setting.below)
        annotation = Annotated[get_args(annotation)[0], NameOf(setting.names) if setting.names else bounds]
    any_type = Any if annotation is inspect.Parameter.empty else annotation
    return TypeAdapter(any_type, config={"strict": True, "allow_inf_nan": False, "arbitrary_types_allowed": True})


def _setting(kind: str, maker: Any, key: str, value: Any, place: Place, mistakes: list[InitErrorDetails]) -> Any:
    from xpmlp.data.messages import did_you_mean  # imports NumPy

    known = layer_settings(maker)
    if key not in known:
        hint = did_you_mean(key, list(known)) if known else "; it has none"
        end = "" if hint.endswith("?") else "."
        mistakes.append(_mistake(f'is no setting of a layer of kind "{kind}"{hint}{end}', place, value))
        return value
    try:
        return known[key].dump_python(known[key].validate_python(value), mode="json")
    except ValidationError:
        mistakes.append(_not_allowed(known[key].json_schema(), place, value))
        return value


def _lacking(kind: str, maker: Any, checked: dict[str, Any], place: Place, given: Any) -> Iterator[InitErrorDetails]:
    for name, one in _settings(maker).items():
        if one.default is inspect.Parameter.empty and name not in checked:
            yield _mistake(f'has no {show_key(name)}, which a layer of kind "{kind}" needs.', place, given)
    joined, count = _joined(maker), len(checked.get("layers", ()))
    if joined and not count:
        yield _mistake(f'has no layers, which a layer of kind "{kind}" joins.', place, given)
    elif joined and count != len(joined) and all(one.kind is not one.VAR_POSITIONAL for one in joined):
        yield _mistake(f'has {count} layers, and one of kind "{kind}" takes {len(joined)}: chain them.', place, given)


def _mistake(message: str, place: Place, given: Any) -> InitErrorDetails:
    error = PydanticCustomError(RULE, "{message}", {"message": message, "keys": ()})
    return InitErrorDetails(type=error, loc=place, input=given)


def _not_allowed(schema: dict[str, Any], place: Place, given: Any) -> InitErrorDetails:
    if "anyOf" in schema:  # TOML has no null
        schema = {"anyOf": [one for one in schema["anyOf"] if one != {"type": "null"}]}
    error = PydanticCustomError(NOT_ALLOWED, "is not allowed", {"schema": schema, "keys": ()})
    return InitErrorDetails(type=error, loc=place, input=given)

"""Section for trying the network in the page: a form for a table's columns, or a canvas for an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xpmlp.data.tables.features import FIRST, EncodedColumn
from xpmlp.export.tree import NotExportableError
from xpmlp.pages.markup import Markup, data_block, element, paragraph, section
from xpmlp.pages.material import FEWEST, Material, seen
from xpmlp.pages.model import TooMuchError, page_model

MOST_FIELDS = 200
MOST_OUTPUTS = 100


def trying(material: Material) -> Markup:
    """Make the form or the canvas, with the model for the script; or a sentence on why that is impossible."""
    try:
        model, inputs = page_model(material.saved, material.table), _inputs(material)
    except (TooMuchError, NotExportableError) as error:
        return section("try", "Try it", paragraph(f"It cannot be tried in this page: {error}."))
    image = material.rows.dataset.image_shape if material.rows is not None else None
    if image is not None:
        scale = material.saved.network.input_scale
        model |= {"image": list(image), "most": round(1 / scale) if 0 < scale < 1 else 1}
    names = material.classes
    if names and model["transform"] == "logistic":
        names = [f"probability of {names[1]}"]
    names = names or list(material.saved.target_names) or [f"output {place + 1}" for place in range(_width(material))]
    if len(names) != _width(material):
        names = [f"output {place + 1}" for place in range(_width(material))]
    meter = material.saved.network.loss.out_activation in ("softmax", "logistic")
    rows = [
        element(
            "tr",
            element("th", name, scope="row"),
            element("td", class_="number"),
            element("td", element("meter", min=0, max=1, value=0, aria_label=name)) if meter else "",
        )
        for name in names[:MOST_OUTPUTS]
    ]
    precision = "16-bit" if model["half"] else "32-bit"
    return section(
        "try",
        "Try it",
        paragraph(
            "The network computes in this page, and nothing leaves it. Its weights are here as "
            f"{precision} numbers, which it computes with in double precision."
        ),
        element("div", inputs, _outputs(rows), class_="trying"),
        data_block("model", model),
    )


def _width(material: Material) -> int:
    return material.saved.network.root.width


def _outputs(rows: list[Markup]) -> Markup:
    head = element("caption", "What the network says")
    told = element("p", id="said", role="status", class_="said")
    return element("div", told, element("table", head, element("tbody", *rows), id="outputs"))


def _inputs(material: Material) -> Markup:
    rows = material.rows
    if material.table is not None:
        return _form(_fields(material))
    if rows is not None and rows.dataset.image_shape is not None:
        if material.saved.preprocessing.mean is not None:
            raise TooMuchError("its pixels were standardised one by one, which no drawing is")
        return _canvas(rows.dataset.image_shape)
    width, names = material.saved.network.widths.numbers, material.saved.feature_names
    if material.saved.network.widths.codes or width > MOST_FIELDS:
        raise TooMuchError(f"it has {width:,} inputs, too many for a form, or codes without names")
    mean = material.saved.preprocessing.mean
    return _form(
        [
            _field(place, names[place] if names else f"input {place + 1}", "input", **_number(_short(mean, place)))
            for place in range(width)
        ]
    )


def _short(mean: Any, place: int) -> str:
    return "0" if mean is None else f"{mean[place]:.6g}"


def _form(fields: list[Markup]) -> Markup:
    return element("form", *fields, id="form", autocomplete="off")


def _canvas(shape: tuple[int, int]) -> Markup:
    height, width = shape
    canvas = element(
        "canvas",
        "A drawing board.",
        id="canvas",
        width=width,
        height=height,
        tabindex="0",
        role="application",
        aria_label=f"Drawing board of {height} by {width} pixels: move with the arrow keys, paint with the space bar",
        aria_describedby="cursor",
    )
    clear = element("button", "Clear", type="button", id="clear")
    hint = paragraph("Draw with the mouse or a finger; or move with the arrow keys and paint with the space bar.")
    return element("div", canvas, element("p", id="cursor", role="status"), clear, hint)


def _fields(material: Material) -> list[Markup]:
    """Make a field for each column of the table used by the network."""
    assert material.table is not None
    columns = material.table.encoding.columns
    if len(columns) > MOST_FIELDS:
        raise TooMuchError(f"its table has {len(columns):,} columns, too many for a form")
    if material.rows is None and any(one.has_codes for one in columns):
        raise TooMuchError("the rows are needed to know which categories are common enough to be named")
    counts = seen(material)
    return [_field_of(place, one, counts.get(one.column.name, {}), material.shown) for place, one in enumerate(columns)]


def _field(place: int, name: str, tag: str, *parts: object, **attributes: object) -> Markup:
    """Make a labelled input, found by the script through its attribute."""
    here = f"column{place}"
    control = element(tag, *parts, id=here, data_column=True, **attributes)
    return element("div", element("label", name, for_=here), control, class_="field")


def _number(value: str) -> dict[str, str]:
    return {"type": "number", "step": "any", "value": value}


def _field_of(place: int, one: EncodedColumn, counts: Mapping[str, int], shown: int) -> Markup:
    """Make the input for a column of a table; an empty input is a missing value."""
    column, none = one.column, element("option", "missing", value="")
    if one.has_codes:
        return _field(place, column.name, "select", none, *_options(one, counts, shown))
    if column.kind == "category":
        ranks = [element("option", name, value=rank) for rank, name in enumerate(column.order)]
        return _field(place, column.name, "select", none, *ranks)
    if column.kind == "truth":
        pair = [element("option", name, value=value) for name, value in (("yes", 1), ("no", -1))]
        return _field(place, column.name, "select", none, *pair)
    if column.kind == "number":
        return _field(place, column.name, "input", **_number(f"{one.features[0].center:.6g}"))
    label = f"{column.name} ({column.zone})" if column.zone else column.name
    types = {"date": "datetime-local" if any("hour" in each.part for each in one.features) else "date", "clock": "time"}
    return _field(place, label, "input", type=types.get(column.kind, "text"))


def _options(one: EncodedColumn, counts: Mapping[str, int], shown: int) -> Iterator[Markup]:
    """Yield the categories that may be named, with the first selected, and options for the others."""
    named = [(number, level) for number, level in enumerate(one.levels) if shown or counts.get(level, 0) >= FEWEST]
    for place, (number, level) in enumerate(named):
        yield element("option", level, value=FIRST + number, selected=place == 0)
    if one.rare:
        yield element("option", "a rare one", value=FIRST + len(one.levels))
    yield element("option", "one never seen", value=0)

"""Pages used with the keyboard alone, with keys sent to Chromium, and with a screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.devtools import Tab, browser
from tests.exported import expected
from xpmlp.pages import compare, write_comparison, write_page
from xpmlp.storage import load_network
from xpmlp.training.table_prediction import table_model

pytestmark = pytest.mark.browser

Runs = Callable[[str], Path]

FOCUSABLE = "a[href], input, select, button, [tabindex]"

HERE = """(() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  return {
    place: [...document.querySelectorAll("FOCUSABLE")].indexOf(one),
    shown: style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2,
    seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
})()""".replace("FOCUSABLE", FOCUSABLE)

OUTPUTS = '[...document.querySelectorAll("#outputs td[data-value]")].map((one) => Number(one.dataset.value))'

CONTROLS = {"textbox", "spinbutton", "combobox", "slider", "button", "link", "application", "meter"}
SHOWN = {"image", "table", "region", "navigation"}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
    assert opened.problems == []


def text_of(tab: Tab, anchor: str) -> str:
    return str(tab.evaluate(f"document.getElementById({anchor!r}).textContent"))


def go_to(tab: Tab, anchor: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(200):
        if tab.evaluate("document.activeElement.id") == anchor:
            return
        tab.press("Tab")
    pytest.fail(f"Tab does not reach {anchor}")


@pytest.mark.parametrize("run", ["pets", "price", "digits"])
@pytest.mark.parametrize("width", [1280, 390])
def test_tab_goes_through_everything_in_order_and_shows_where_it_is(
    runs: Runs, run: str, width: int, tab: Tab, tmp_path: Path
) -> None:
    tab.open(write_page(runs(run), out=tmp_path / "page.html"), width)
    every = tab.evaluate(f'document.querySelectorAll("{FOCUSABLE}").length')
    assert every > 10
    for last, order, back in ((every - 1, [*range(every)], False), (0, [*range(every)][::-1], True)):
        met = [order[0]] if back else []
        for _ in range(4 * every):
            tab.press("Tab", shift=back)
            here = tab.evaluate(HERE)
            assert here["shown"], here
            assert here["seen"], here
            if met[-1:] != [here["place"]]:  # a date has parts, each of which has the focus
                met.append(here["place"])
            if here["place"] == last:
                break
        assert met == order


def test_a_link_is_followed_and_tab_goes_on_from_there(runs: Runs, tab: Tab, tmp_path: Path) -> None:
    tab.open(write_page(runs("pets"), out=tmp_path / "page.html"))
    tab.press("Tab", "Tab", "Tab", "Enter")
    assert tab.evaluate("location.hash") == "#try"
    tab.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "column0"


def test_a_form_is_filled_in_by_keys_and_what_is_said_is_announced(runs: Runs, tab: Tab, tmp_path: Path) -> None:
    saved = load_network(runs("pets") / "weights.safetensors")
    model = table_model(saved)
    assert model is not None
    names = [one.column.name for one in model.encoding.columns]
    tab.open(write_page(runs("pets"), out=tmp_path / "page.html"))
    keys = {"size": "-1.25", "town": ["Home", "ArrowDown"], "grade": ["ArrowDown", "ArrowDown"], "note": "red fox"}
    keys |= {"vaccinated": ["ArrowDown"], "breed": ["Home"]}
    for name, pressed in keys.items():
        go_to(tab, f"column{names.index(name)}")
        tab.press(*pressed)
    town = model.encoding.columns[names.index("town")].levels[0]
    row = {"size": "-1.25", "town": town, "grade": "middle", "vaccinated": "yes", "note": "red fox"}
    encoded = model.encoding.encode(pl.DataFrame({name: pl.Series([row.get(name)], dtype=pl.String) for name in names}))
    wanted = expected(saved, encoded.numbers, encoded.codes)[0]
    np.testing.assert_allclose(tab.evaluate(OUTPUTS), wanted, rtol=1e-5)
    assert {node["live"] for node in tab.tree() if node["role"] == "status"} == {"polite"}
    assert text_of(tab, "said") == f"Prediction: {saved.classes[wanted.argmax()]}"


def test_the_threshold_is_moved_by_arrows(runs: Runs, tab: Tab, tmp_path: Path) -> None:
    tab.open(write_page(runs("pets"), out=tmp_path / "page.html"))
    go_to(tab, "threshold")
    assert text_of(tab, "at") == "0.50"
    tab.press("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowUp")
    assert text_of(tab, "at") == "0.52"
    tab.press("Home")
    assert (text_of(tab, "at"), tab.evaluate('document.querySelectorAll("#trade td")[2].textContent')) == (
        "0.00",
        "1.0000",
    )
    tab.press("Tab")
    assert tab.evaluate("document.activeElement.id") != "threshold"


def test_a_digit_is_drawn_and_wiped_off_by_keys(runs: Runs, tab: Tab, tmp_path: Path) -> None:
    saved = load_network(runs("digits") / "weights.safetensors")
    tab.open(write_page(runs("digits"), out=tmp_path / "page.html"))
    empty = tab.evaluate(OUTPUTS)
    go_to(tab, "canvas")
    tab.press("ArrowUp", " ", "ArrowLeft", " ")
    tab.press("ArrowDown", "ArrowDown", shift=True)
    image = 'document.getElementById("canvas").getContext("2d").getImageData(0, 0, 8, 8)'
    pixels = tab.evaluate(f"[...{image}.data]")[::4]
    drawn = np.round(np.asarray(pixels) / 255 * 16)
    assert (drawn > 8).sum() >= 4
    np.testing.assert_allclose(tab.evaluate(OUTPUTS), expected(saved, drawn[None], None)[0], rtol=1e-5, atol=1e-8)
    assert text_of(tab, "cursor") == "row 6 of 8, column 4 of 8"
    assert {node["live"] for node in tab.tree() if node["role"] == "status"} == {"polite"}
    tab.press("Tab", "Enter")
    assert tab.evaluate(OUTPUTS) == empty


@pytest.mark.parametrize("run", ["pets", "price", "digits", "compared"])
def test_everything_has_a_name_for_those_who_cannot_see_it(runs: Runs, run: str, tab: Tab, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    if run == "compared":
        write_comparison(compare([runs("digits"), runs("narrow"), runs("pets")]), page)
    else:
        write_page(runs(run), out=page, rows=3)
    tab.open(page)
    tree = tab.tree()
    told: dict[str, list[dict[str, Any]]] = {}
    for node in tree:
        told.setdefault(node["role"], []).append(node)
    assert {"image", "table"} <= set(told)
    assert [node for role in CONTROLS | SHOWN for node in told.get(role, []) if not node["name"].strip()] == []
    levels = [int(node["level"]) for node in told["heading"]]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1

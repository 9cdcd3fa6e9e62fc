"""Pages in a browser: their network gives NumPy's numbers, and nothing is broken or cut off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.browser import result_of
from tests.exported import (
    CASED,
    OTHERWISE_CASED,
    expected,
    fitted,
    networks,
    paired,
    random_inputs,
    random_network,
    showing,
)
from tests.pages.conftest import HOSTILE
from xpmlp._tree import map_leaves
from xpmlp.nn import LayerSpec, Network, losses
from xpmlp.nn.layer import Widths
from xpmlp.pages import write_page
from xpmlp.pages.markup import SCRIPTS
from xpmlp.pages.model import MOST_NUMBERS, page_model
from xpmlp.storage import load_network, save_network
from xpmlp.training.decision import decided_by, saved_decision
from xpmlp.training.table_prediction import table_model

pytestmark = pytest.mark.browser

Runs = Callable[[str], Path]

PROBE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><pre id="result"></pre><script>
const frames = FRAMES, given = GIVEN, found = {}, says = [];
const values = (page) => [...page.querySelectorAll("#outputs td[data-value]")].map((e) => Number(e.dataset.value));
const uses = {
  form: (page) => given.map((row) => {
    [...page.querySelectorAll("[data-column]")].forEach((input, place) => { input.value = row[place]; });
    page.getElementById("form").dispatchEvent(new Event("input"));
    says.push(page.getElementById("said").textContent);
    return values(page);
  }),
  canvas: (page) => {
    const canvas = page.getElementById("canvas"), view = page.defaultView;
    for (const key of ["ArrowLeft", " ", "ArrowUp", " ", "ArrowUp", " "])
      canvas.dispatchEvent(new view.KeyboardEvent("keydown", { key }));
    const box = canvas.getBoundingClientRect();
    for (const y of [0.3, 0.5, 0.8])
      canvas.dispatchEvent(new view.PointerEvent("pointermove", {
        buttons: 1, clientX: box.left + 0.6 * box.width, clientY: box.top + y * box.height }));
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return { outputs: values(page), pixels: [...pixels].filter((_, place) => place % 4 === 0) };
  },
};
const crowded = (svg) => {
  const whole = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll("text")];
  const boxes = texts.map((e) => e.getBoundingClientRect());
  const out = texts.filter((_, at) => boxes[at].left < whole.left || boxes[at].right > whole.right + 0.5);
  const over = texts.filter((_, at) => boxes.some((one, other) => other < at && one.left < boxes[at].right - 0.5 &&
    one.right > boxes[at].left + 0.5 && one.top < boxes[at].bottom - 2 && one.bottom > boxes[at].top + 2));
  return [...out, ...over].map((e) => e.textContent);
};
let left = frames.length;
frames.forEach(([name, width]) => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border:0;height:900px;width:${width}px`;
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    const out = [...page.body.querySelectorAll("*:not(svg *):not(.wide *)")].filter(
      (e) => e.getBoundingClientRect().right > width + 1);
    const text = [...page.querySelectorAll("p, td, th, caption, figcaption, a, label")];
    const slider = page.getElementById("threshold");
    const begin = slider && page.getElementById("at").textContent;
    if (slider) { slider.value = 0; slider.dispatchEvent(new Event("input")); }
    found[width] = {
      overflow: root.scrollWidth - width,
      out: out.map((e) => e.tagName + " " + e.textContent.slice(0, 40)),
      small: Math.min(...text.map((e) => parseFloat(page.defaultView.getComputedStyle(e).fontSize))),
      crowded: [...page.querySelectorAll("svg")].flatMap(crowded),
      figures: [...page.querySelectorAll("svg")].map((e) => e.getBoundingClientRect().width),
      begin, recall: slider && page.querySelectorAll("#trade td")[2].textContent,
      unnamed: [...page.querySelectorAll("input, select, canvas, button, img, svg, meter")].filter((e) => !(
        e.labels?.length || e.ariaLabel || e.alt || e.textContent.trim())).map((e) => e.outerHTML.slice(0, 80)),
      used: uses[page.getElementById("canvas") ? "canvas" : "form"](page),
      said: says.splice(0),
    };
    left -= 1;
    if (!left) document.getElementById("result").textContent = JSON.stringify(found);
  };
  frame.src = name;
  document.body.append(frame);
});
</script>"""


def look(page: Path, given: list[list[str]]) -> dict[str, Any]:
    """Open a page at both widths, and type in some rows."""
    probe = page.with_name("probe.html")
    frames = json.dumps([[page.name, width] for width in (1280, 390)])
    text = json.dumps(given).replace("<", "\\u003c")
    probe.write_text(PROBE.replace("FRAMES", frames).replace("GIVEN", text), encoding="utf-8")
    found = result_of(probe)
    for width, seen in found.items():
        assert seen["overflow"] <= 0, width
        assert seen["out"] == []
        assert seen["unnamed"] == []
        assert seen["crowded"] == []
        assert seen["small"] >= 13
        assert min(seen["figures"]) >= 280
    assert found["1280"]["used"] == found["390"]["used"]
    return dict(found["390"])


# the cells as they are typed in, and as a table has them
ORDER = ("size", "town", "grade", "seen", "vaccinated", "at", "breed", "note")
TYPED = [
    ["0.75", "2", "1", "2019-03-14T07:45", "1", "13:20", "5", "the red fox of Zürich aaa"],
    ["", "", "", "", "", "", "", ""],
    ["-250", "0", "2", "1970-01-01T00:00", "-1", "00:00", "0", "bird ÉTÉ bird 7"],
]
GRADES, TRUTH = {"1": "middle", "2": "high", "": None}, {"1": "yes", "-1": "no", "": None}


def category(levels: tuple[str, ...], code: str) -> str | None:
    return {"": None, "0": "never seen before"}.get(code, levels[int(code or 2) - 2])


def as_table(typed: list[list[str]], towns: tuple[str, ...], breeds: tuple[str, ...]) -> pl.DataFrame:
    rows = []
    for size, town, grade, seen, vaccinated, at, breed, note in typed:
        pair = category(towns, town), category(breeds, breed)
        time = seen.replace("T", " ") + ":00" if seen else None
        rows.append([size or None, pair[0], GRADES[grade], time, TRUTH[vaccinated], at or None, pair[1], note or None])
    return pl.DataFrame(rows, schema=dict.fromkeys(ORDER, pl.String), orient="row")


@pytest.mark.parametrize("run", ["pets", "price"])
def test_a_form_that_is_filled_in_gives_numpys_outputs(runs: Runs, run: str, tmp_path: Path) -> None:
    saved = load_network(runs(run) / "weights.safetensors")
    model = table_model(saved)
    assert model is not None
    columns = {one.column.name: one for one in model.encoding.columns}
    assert tuple(columns) == ORDER
    assert {one.column.kind for one in columns.values()} == {"number", "category", "date", "truth", "clock", "text"}
    assert HOSTILE in columns["town"].levels
    told = {one.column.kind for one in columns.values() if one.statistic}
    assert {"number", "category", "text"} <= told or run == "pets"
    used = look(write_page(runs(run), out=tmp_path / "page.html"), TYPED)
    encoded = model.encoding.encode(as_table(TYPED, columns["town"].levels, columns["breed"].levels))
    wanted = expected(saved, encoded.numbers, encoded.codes)
    wanted = model.target.unscaled(wanted) if model.target.task == "values" else wanted
    np.testing.assert_allclose(used["used"], wanted, rtol=1e-5, atol=1e-8)
    if run == "pets":
        assert used["recall"] == "1.0000"  # from a probability of 0 on everything is said to be one


@pytest.mark.parametrize(
    ("run", "threshold", "begin"),
    [("pets", 0.999, "0.99"), ("flags", 0.03, "0.03"), ("pets", {"cat": {"dog": 50}}, "0.98")],
)
def test_what_is_said_is_what_the_networks_decision_chooses(
    runs: Runs, run: str, threshold: Any, begin: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs(run), tmp_path / "run"))
    saved = decided_by(load_network(folder / "weights.safetensors"), threshold)
    save_network(folder / "weights.safetensors", saved)
    used = look(write_page(folder, out=tmp_path / "page.html"), TYPED)
    decision, outputs = saved_decision(saved), np.asarray(used["used"])
    assert decision is not None
    assert outputs.shape[1] == (1 if run == "flags" else 2)
    pairs = np.hstack([1 - outputs, outputs]) if run == "flags" else outputs
    assert used["said"] == [f"Prediction: {saved.classes[one]}" for one in decision.choose(pairs)]
    assert used["begin"] == begin
    assert (decision.choose(pairs) != pairs.argmax(axis=1)).any()


def test_a_digit_that_is_drawn_gives_numpys_outputs(runs: Runs, tmp_path: Path) -> None:
    saved = load_network(runs("digits") / "weights.safetensors")
    used = look(write_page(runs("digits"), out=tmp_path / "page.html"), [])["used"]
    drawn = np.round(np.asarray(used["pixels"]) / 255 * 16)
    assert (drawn > 8).sum() > 5
    np.testing.assert_allclose(used["outputs"], expected(saved, drawn[None], None)[0], rtol=1e-5, atol=1e-8)


def computed(models: dict[str, Any], page: Path) -> Any:
    """The outputs of the page's script for models' examples: numbers and codes, or a row's cells."""
    scripts = "\n".join(files("xpmlp.pages").joinpath(one).read_text(encoding="utf-8") for one in SCRIPTS[:2])
    page.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><pre id="result"></pre><script>{scripts}\n'
        f"const cases = {json.dumps(models)}, found = {{}};\n"
        "for (const [name, one] of Object.entries(cases)) { const model = prepared(one.model);\n"
        "  const encoded = one.examples.map((each) => each.cells ? encode(model.encoding, each.cells) : each);\n"
        "  found[name] = encoded.map((each) => predict(model, each.numbers, each.codes)); }\n"
        'document.getElementById("result").textContent = JSON.stringify(found);</script>',
        encoding="utf-8",
    )
    return result_of(page)


def test_pairs_of_columns_have_their_statistic(tmp_path: Path) -> None:
    encoding = paired()
    saved, levels = showing(encoding), encoding.columns[1].levels
    rows = [[3.0, "a", 0.5], [None, "f", None], [2.5, None, -1.0], [100.0, "c", 9.0], [8.0, "never seen", 0.0]]
    codes = {None: None, "never seen": "0", **{level: str(2 + place) for place, level in enumerate(levels)}}
    examples = [{"cells": [first, codes[second], third]} for first, second, third in rows]
    models = {"pair": {"model": page_model(saved, table_model(saved)), "examples": examples}}
    found = np.asarray(computed(models, tmp_path / "pairs.html")["pair"])
    wanted = encoding.encode(pl.DataFrame(rows, schema=["first", "second", "third"], orient="row")).numbers
    assert [pair.statistic.name for pair in encoding.pairs] == ["second and first"]
    np.testing.assert_allclose(found[:, : wanted.shape[1]], wanted, rtol=1e-5, atol=1e-6)


def test_texts_are_read_as_python_reads_them(tmp_path: Path) -> None:
    phrases = [None, "good dog", "bad dog bites", "good old cat", "bad cat"]
    frame = pl.DataFrame({"note": [phrases[one % 5] for one in range(300)]})
    encoding = fitted(frame, np.arange(300) % 5 % 2, {"note": "text"})
    edges = ["  good dog ", "\u0085good\u2003\ufeff", "\u200bgood\x1c", "\n\t"]
    rows = [*edges, "NA", " na ", "-", "?", "null", "#N/A", "N/a", "a - b", None, ""]
    saved = showing(encoding)
    model = {"model": page_model(saved, table_model(saved)), "examples": [{"cells": [one]} for one in rows]}
    found = np.asarray(computed({"texts": model}, tmp_path / "texts.html")["texts"])
    wanted = encoding.encode(pl.DataFrame({"note": rows})).numbers
    assert encoding.indicators
    assert wanted[:, -1].sum() == 9
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_letters_are_put_in_lower_case_as_python_puts_them(tmp_path: Path) -> None:
    frame = pl.DataFrame({"note": [CASED[one % len(CASED)] for one in range(320)]})
    encoding = fitted(frame, np.arange(320) % 2, {"note": "text"})
    saved, rows = showing(encoding), [*CASED, *OTHERWISE_CASED]
    model = {"model": page_model(saved, table_model(saved)), "examples": [{"cells": [one]} for one in rows]}
    found = np.asarray(computed({"letters": model}, tmp_path / "letters.html")["letters"])
    wanted = encoding.encode(pl.DataFrame({"note": rows})).numbers
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_every_layer_activation_and_loss_gives_numpys_outputs(tmp_path: Path) -> None:
    models, wanted = {}, {}
    for name, saved in networks():
        numbers, codes = random_inputs(saved.network.widths)
        examples = [
            {"numbers": row.tolist(), "codes": [] if codes is None else codes[place].tolist()}
            for place, row in enumerate(numbers)
        ]
        models[name] = {"model": page_model(saved, None), "examples": examples}
        wanted[name] = expected(saved, numbers, codes)
    found = computed(models, tmp_path / "layers.html")
    for name, outputs in wanted.items():
        np.testing.assert_allclose(found[name], outputs, rtol=1e-5, atol=1e-9, err_msg=name)


def test_weights_of_16_bits_give_numpys_outputs_with_the_same_weights(tmp_path: Path) -> None:
    wide = Network(LayerSpec.of({"kind": "dense", "units": 5}), Widths(MOST_NUMBERS // 5 + 1), losses["squared"])
    saved, rng = random_network(wide), np.random.default_rng(5)
    sizes = map_leaves(lambda leaf: leaf * 10.0 ** rng.integers(-5, 3, leaf.shape), saved.parameters)  # subnormal, too
    saved, numbers = saved._replace(parameters=sizes), np.zeros((2, wide.widths.numbers))
    numbers[:, ::6_000] = rng.normal(size=numbers[:, ::6_000].shape)
    model = page_model(saved, None)
    assert model["half"]
    examples = [{"numbers": row.tolist(), "codes": []} for row in numbers]
    found = computed({"half": {"model": model, "examples": examples}}, tmp_path / "half.html")
    np.testing.assert_allclose(found["half"], expected(saved, numbers, None, np.float16), rtol=1e-5, atol=1e-9)

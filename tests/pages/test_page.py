"""The page as a file: its contents, what it leaves out, and that all text from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import xpmlp
from tests.digits import CODED, digits_config
from tests.pages.conftest import HOSTILE, table
from xpmlp.errors import XpmlpError
from xpmlp.pages import compare, write_comparison, write_page
from xpmlp.pages.charts import Series, chart
from xpmlp.pages.columns import _cell, importances, places
from xpmlp.pages.markup import LONGEST, data_block, element, text
from xpmlp.pages.material import read_material
from xpmlp.pages.measures import measures
from xpmlp.pages.quality import calibration, chosen
from xpmlp.storage import load_network, save_network
from xpmlp.training.decision import decided_by

Runs = Callable[[str], Path]


class Tags(HTMLParser):
    """The elements and their attributes, and the links that go nowhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(run: Path, tmp_path: Path, **options: object) -> str:
    return write_page(run, out=tmp_path / "page.html", **options).read_text(encoding="utf-8")  # type: ignore[arg-type]


def sections(page: str) -> str:
    return " ".join(re.findall(r'<h2 id="(\w+)">', page))


def test_each_kind_of_run_has_its_sections(runs: Runs, tmp_path: Path) -> None:
    assert sections(page_of(runs("pets"), tmp_path)) == "what scores try classes relies columns curves"
    assert sections(page_of(runs("price"), tmp_path)) == "what scores try values relies columns curves"
    assert sections(page_of(runs("digits"), tmp_path)) == "what scores try classes pictures curves"


def test_the_form_names_the_zone_of_dates(tmp_path: Path) -> None:
    rows = [f"2020-{one % 12 + 1:02d}-{one % 28 + 1:02d} {one % 24:02d}:30+02:00" for one in range(60)]
    pl.DataFrame({"seen": rows, "kind": ["cat", "dog"] * 30}).write_csv(tmp_path / "seen.csv")
    given = {"data.name": "table", "data.path": str(tmp_path / "seen.csv"), "data.target": "kind", **CODED}
    xpmlp.train(digits_config({**given, "backend.fused": False}), tmp_path / "run")
    assert re.search(r"<label[^>]*>seen \(UTC\)</label><input[^>]*datetime-local", page_of(tmp_path / "run", tmp_path))


@pytest.mark.parametrize("run", ["pets", "digits"])
def test_it_is_whole_and_runs_its_own_script_alone(runs: Runs, run: str, tmp_path: Path) -> None:
    page = page_of(runs(run), tmp_path)
    tags = Tags(page).found
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (policy,) = [a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    for content, kind in ((script, "script-src"), (style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in (policy or "")
    assert (policy or "").startswith("default-src 'none'; ")
    assert "unsafe" not in (policy or "")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))
            assert value is None or not value.startswith("#") or value[1:] in ids
        assert attributes.get("for", ids[0]) in ids
    assert len(page.encode()) < 5e6


def test_what_comes_from_outside_is_text(runs: Runs, tmp_path: Path) -> None:
    page = page_of(runs("pets"), tmp_path)
    assert "alert(" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert text(HOSTILE * 1_000).count("alert") <= LONGEST
    assert element("p", "<b>", title='"x" <') == '<p title="&quot;x&quot; &lt;">&lt;b&gt;</p>'
    assert "</script><p>" not in data_block("x", ["</script><p>"])


@pytest.mark.slow
def test_labels_columns_and_files_of_any_name_are_text(tmp_path: Path) -> None:
    evil = "<script>alert('1')</script><img src=x onerror=alert(2)>\"\u202e\u2066"
    long = evil * 130
    rng = np.random.default_rng(0)
    size, town, label = rng.normal(size=300), np.array([evil, long]), np.array([evil, 3 * evil])
    frame = pl.DataFrame({f"size {evil}": size, f"town {long}": town[np.arange(300) % 2], evil: label[(size > 0) * 1]})
    frame.write_csv(tmp_path / "<b>\u202e.csv")
    settings = {"data.name": "table", "data.path": str(tmp_path / "<b>\u202e.csv"), "data.target": evil}
    for name in ("<i>", "<u>\u202e"):
        xpmlp.train(digits_config({**settings, "backend.fused": False}), tmp_path / name)
    pages = [write_page(tmp_path / "<i>", rows=5), tmp_path / "compare.html"]
    write_comparison(compare([tmp_path / "<i>", tmp_path / "<u>\u202e"]), pages[1])
    for path in pages:
        page = path.read_text(encoding="utf-8")
        tags = Tags(page).found
        assert not {"img", "b", "i", "u"} & {tag for tag, _ in tags}
        assert (
            sum(tag == "script" for tag, _ in tags)
            == sum("type" in given for tag, given in tags if tag == "script") + 1
        )
        assert not any(name.startswith("on") for _, given in tags for name in given)
        assert not {"\u202e", "\u2066"} & set(page)
    shown = re.sub(r"<script.*?</script>", "", pages[0].read_text(encoding="utf-8"), flags=re.DOTALL)
    assert shown.count("alert(2)") > 20
    assert max(map(len, re.findall(r">([^<]*)<", shown))) < 10_000


def test_no_rows_and_no_rare_category_unless_asked_for(runs: Runs, tmp_path: Path) -> None:
    page = page_of(runs("pets"), tmp_path)
    assert "Bonn" in page
    for private in ("Hamlet", "r7919", "frog", str(tmp_path.parent.parent)):
        assert private not in page, private
    assert "largest loss" not in page
    asked = page_of(runs("pets"), tmp_path, rows=3)
    assert "Hamlet" in asked
    (worst,) = re.findall(r"The rows with the largest loss</caption>.*?<tbody>(.*?)</tbody>", asked, re.DOTALL)
    assert worst.count("<tr>") == 3


def test_rows_show_missing_numbers_as_missing(runs: Runs) -> None:
    material, given = read_material(runs("pets")), table()["size"]
    rows = material.rows
    assert rows is not None
    (place,) = [one for one in places(material) if one.one.column.name == "size"]
    parts = [part for part in (rows.dataset.train, rows.dataset.validation, rows.dataset.test) if part is not None]
    cells = [_cell(material, place, replace(rows, part=part), row) for part in parts for row in range(len(part))]
    assert cells.count("missing") == given.null_count() > 0
    numbers = sorted(float(cell) for cell in cells if cell != "missing")
    np.testing.assert_allclose(numbers, given.drop_nulls().sort(), atol=1e-3)


@pytest.mark.slow
def test_without_the_data_of_the_training_what_needs_them_is_left_out(runs: Runs, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs("price"), tmp_path / "run"))
    moved = tmp_path / "moved.csv"
    config = (run / "config.toml").read_text(encoding="utf-8")
    (run / "config.toml").write_text(config.replace("pets.csv", "gone.csv"), encoding="utf-8")
    page = page_of(run, tmp_path)
    assert sections(page) == "what try columns curves"
    assert "Left out" in page
    assert "gone.csv: no such file" in page
    shutil.copy(runs("pets").parent / "pets.csv", moved)
    assert "scores" in sections(page_of(run, tmp_path, data=moved))
    with pytest.raises(XpmlpError, match="no such file"):
        page_of(run, tmp_path, data=tmp_path / "none.csv")
    lines = moved.read_text(encoding="utf-8").splitlines(keepends=True)
    moved.write_text("".join(lines[:-1]), encoding="utf-8")
    elsewhere = re.sub(r'(?m)^path = ".*"', f'path = "{moved.as_posix()}"', config)
    (run / "config.toml").write_text(elsewhere, encoding="utf-8")
    assert "are not those of the training any more" in page_of(run, tmp_path)


def test_its_file_replaces_nothing_that_is_read(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(XpmlpError, match="would replace"):
        write_page(runs("pets"), out=runs("pets").parent / "pets.csv")
    for path in (Path(os.devnull), tmp_path, tmp_path / "none" / "page.html"):
        with pytest.raises(XpmlpError, match=r"the output .* cannot be written"):
            write_page(runs("pets"), out=path)


def test_a_column_that_the_network_does_not_use_has_no_importance(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor has it in a part of the rows, whose variance is another one."""
    material = read_material(runs("price"), "train")
    assert material.rows is not None
    every = places(material)
    monkeypatch.setattr("xpmlp.pages.columns.MOST_ROWS", 50)
    monkeypatch.setattr("xpmlp.pages.columns._numbers_of", lambda *_: [])
    uncoded = [place for place in every if place.code is None]
    assert [one.mean for one in importances(material, material.rows, uncoded)] == pytest.approx(
        [0.0] * len(uncoded), abs=1e-6
    )


def test_of_two_classes_with_one_output_the_threshold_decides(runs: Runs) -> None:
    material = read_material(runs("flags"))
    decided = replace(material, saved=decided_by(material.saved, 0.1))
    assert material.rows is not None
    (column,) = material.rows.outputs.T
    assert ((column > 0.1) & (column < 0.5)).sum() > 0
    np.testing.assert_array_equal(chosen(decided, material.rows), column > 0.1)


def test_of_quantiles_every_figure_is_that_of_the_one_nearest_to_the_median(runs: Runs) -> None:
    material = read_material(runs("quantiles"))
    rows = material.rows
    assert rows is not None
    wanted = np.asarray(rows.part.targets, dtype=np.float64)
    errors = (material.unscaled(rows.outputs)[:, :1] - material.unscaled(wanted)).ravel()
    r2, square, absolute = measures(material, rows)
    variance = material.unscaled(wanted).var()
    assert r2.values.mean() == pytest.approx(1 - (errors**2).mean() / variance)
    np.testing.assert_allclose(square.values, errors**2)
    np.testing.assert_allclose(absolute.values, np.abs(errors))
    np.testing.assert_allclose(rows.losses, (rows.outputs[:, 0] - wanted[:, 0]) ** 2)


@pytest.mark.parametrize("run", ["pets", "flags"])
def test_the_accuracy_by_the_decision_rule_is_that_of_the_confusion_matrix(
    runs: Runs, run: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(runs(run), tmp_path / "run"))
    assert "model.threshold" not in page_of(folder, tmp_path)
    save_network(folder / "weights.safetensors", decided_by(load_network(folder / "weights.safetensors"), 0.9))
    page = page_of(folder, tmp_path)
    (row,) = re.findall(r"accuracy by model.threshold</th>(.*?)</tr>", page)
    (matrix,) = re.findall(r"Confusion matrix: examples</caption>(.*?)</table>", page, re.DOTALL)
    counts = [int(count) for count in re.findall(r">(\d+)</span>", matrix)]
    accuracy, *_ = re.findall(r"accuracy</th><td[^>]*>([.\d]+)", page)
    (decided,) = re.findall(r">([.\d]+)</td>", row)
    assert len(counts) == 4
    assert float(decided) == pytest.approx((counts[0] + counts[3]) / sum(counts), rel=1e-3) != float(accuracy)


def test_colours_can_be_told_from_the_paper_in_light_and_in_dark() -> None:
    """WCAG 2.2: 4.5 for text, 3 for lines."""
    style = files("xpmlp.pages").joinpath("page.css").read_text(encoding="utf-8")
    modes = [
        dict(re.findall(r"--(\w+): ([^;]+);", mode)) for mode in re.findall(r":root \{(.*?)\n\s*\}", style, re.DOTALL)
    ]
    assert [len(mode) for mode in modes] == [11, 11, 2]  # on paper the light ones, with darker letters
    modes[2] = modes[0] | modes[2]

    def luminance(colour: np.ndarray) -> float:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(one: np.ndarray, other: np.ndarray) -> float:
        low, high = sorted(map(luminance, (one, other)))
        return (high + 0.05) / (low + 0.05)

    for mode in modes:
        digits = {name: value[1:] * (2 if len(value) == 4 else 1) for name, value in mode.items() if value[0] == "#"}
        colours = {
            name: np.array([int(one[at : at + 2], 16) for at in (0, 2, 4)]) / 255 for name, one in digits.items()
        }
        for paper in ("paper", "shade"):
            assert min(contrast(colours[name], colours[paper]) for name in ("ink", "soft", "one")) >= 4.5
        assert min(contrast(colours[name], colours["paper"]) for name in ("one", "two", "three", "four")) >= 3
        for name in ("right", "wrong"):  # the darkest cells of a confusion matrix
            cell = 0.42 * np.array([int(one) for one in mode[name].split(",")]) / 255 + 0.58 * colours["paper"]
            assert contrast(colours["ink"], cell) >= 4.5


def test_ticks_are_told_apart() -> None:
    drawn = chart("", "", "", [Series("", np.asarray([2017.0, 2018.2]), np.asarray([44.95, 44.975]))])
    ticks = [re.findall(rf'class="tick {place}"[^>]*>([^<]*)<', drawn) for place in ("middle", "end")]
    assert ticks == [["2017", "2017.5", "2018"], ["44.95", "44.955", "44.96", "44.965", "44.97", "44.975"]]
    drawn = chart("", "", "", [Series("", np.asarray([1.0, 2.0, 3.0]), np.asarray([0.1, 0.2, 0.3]))])
    assert re.findall(r'class="tick middle"[^>]*>([^<]*)<', drawn) == ["1", "2", "3"]  # there is no epoch 1.5
    drawn = chart("", "", "", [Series("", np.asarray([12_340.0, 12_390.0]), np.asarray([600.0, 7_700.0]))])
    assert {"12.34k", "12.39k", "2000", "6000"} <= set(re.findall(r'class="tick[^>]*>([^<]*)<', drawn))


def test_the_commonest_mistake_is_as_dark_as_the_commonest_right_answer(runs: Runs, tmp_path: Path) -> None:
    page = page_of(runs("narrow"), tmp_path)
    for kind in ("right", "wrong"):
        cells = {int(count): int(shade) for shade, count in re.findall(rf'{kind}(\d)">(\d+)<', page)}
        assert len(cells) > 2
        assert cells[max(cells)] == 4
        assert cells[min(cells)] < 4


def test_the_calibration_error_is_the_mean_distance() -> None:
    given = np.asarray([[0.95, 0.05]] * 4 + [[0.35, 0.65]] * 2)
    # the first four are right half of the time, the others always
    _, error = calibration(given, np.asarray([0, 0, 1, 1, 1, 1]))
    assert error == pytest.approx((4 * 0.45 + 2 * 0.35) / 6)

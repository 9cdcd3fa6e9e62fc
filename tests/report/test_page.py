"""The page: complete, self-contained, with links to existing files, and with all text of the data escaped."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from xpmlp.report import Report
from xpmlp.report.comparison import Comparison
from xpmlp.report.document import (
    Code,
    Formulas,
    Gallery,
    Link,
    Maths,
    Notice,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
    Verdict,
)
from xpmlp.report.html import html
from xpmlp.report.markdown import markdown
from xpmlp.report.page import make_page
from xpmlp.report.parts import PARTS

pytestmark = pytest.mark.slow  # all parts of a small report are made

NASTY = "<script>alert('1')</script> & \"x\" | *a* `b` [c](d)"
VOID = {"meta", "link", "br", "img", "use", "path"}


class Reader(HTMLParser):
    """Elements and text, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(quick: Report) -> Reader:
    return Reader(quick.page.read_text(encoding="utf-8"))


def test_the_page_is_whole(page: Reader) -> None:
    assert page.tags["section"] == len(PARTS) + 1
    assert page.tags["svg"] == 9 == page.tags["figure"]
    assert page.tags["script"] == page.tags["img"] == page.tags["iframe"] == 0
    for part in PARTS:
        assert part.title in page.text


def test_it_loads_nothing_from_elsewhere(page: Reader, quick: Report) -> None:
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href"):
            assert not value.startswith(("http", "//", "/")), value
    style = quick.page.read_text(encoding="utf-8").split("<style>")[1].split("</style>")[0]
    assert not re.search(r"url\(|@import", style)


def test_every_link_leads_somewhere(page: Reader, folder: Path) -> None:
    ids = {value for name, value in page.attributes if name == "id"}
    targets = [value for name, value in page.attributes if name in ("href", "xlink:href")]
    files = [target for target in targets if not target.startswith(("#", "data:"))]
    assert {target[1:] for target in targets if target.startswith("#")} <= ids
    assert len(files) > 30
    for file in files:
        assert (folder / file).is_file(), file
    for file in re.findall(r"\]\(([^)]+)\)", (folder / "report.md").read_text(encoding="utf-8")):
        assert (folder / file).is_file(), file


def test_ids_are_unique(page: Reader) -> None:
    ids = Counter(value for name, value in page.attributes if name == "id")
    assert [name for name, count in ids.items() if count > 1] == []


def test_every_table_and_figure_names_its_csv(quick: Report) -> None:
    text = quick.page.read_text(encoding="utf-8")
    for element, caption in (("table", "caption"), ("figure", "figcaption")):
        captions = re.findall(rf"<{caption}>(.*?)</{caption}>", text, re.DOTALL)
        assert len(captions) == text.count(f"<{element}")
        assert all(re.search(r'href="[\w/-]+\.csv"', one) for one in captions)


def test_the_small_version_says_so_and_is_not_compared(page: Reader, quick: Report) -> None:
    assert "small version (--quick)" in page.text
    assert "digits instead of MNIST" in page.text
    trained = [one for one in quick.comparisons if one.item in ("Figure 1", "Table 4", "Final")]
    assert len(trained) == 2 + 8 + 2
    assert {one.verdict.text for one in trained} == {"not comparable"}


def test_the_figures_are_beside_it_as_png_and_svg(folder: Path) -> None:
    figures = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.svg"))
    assert len(figures) == 9
    for figure in figures:
        assert ET.parse(folder / figure).getroot().tag.endswith("svg")
        assert (folder / figure).with_suffix(".png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("figure", "title"),
    [
        ("figure1/figure1", "Figure 1: mean training loss by epoch"),
        ("figure2/figure2", "Figure 2: loss of each batch"),
        ("figure3/figure3a", "Figure 3a: mean loss by epoch"),
        ("figure3/figure3b", "Figure 3b: accuracy by epoch"),
        ("table4/table4", "Table 4: validation by learning rate"),
        ("beyond/boundary", "Where Figure 1's network decides"),
        ("beyond/hidden_units", "Incoming weights of hidden units"),
        ("beyond/confusion", "Confusion matrix of the test images"),
        ("beyond/wrong", "The most confidently wrong test images"),
    ],
)
def test_a_figure_says_by_itself_what_it_is(folder: Path, figure: str, title: str) -> None:
    """Letters are drawn as outlines; a comment beside them says what they spell."""
    assert f"<!-- {title} -->" in (folder / f"{figure}.svg").read_text(encoding="utf-8")


def test_a_part_that_is_missing_is_named(quick: Report, tmp_path: Path) -> None:
    done = {name: one for name, one in quick.done.items() if name in ("questions", "table1")}
    text = html(make_page(PARTS, done, tmp_path, quick=False, backend="numpy")[0])
    assert "Not computed yet: Figure 1" in text
    assert "--quick" not in text
    assert text.count("<section") == 3


def test_what_is_computed_beside_the_others_is_told_where_it_was(quick: Report, tmp_path: Path) -> None:
    beside = "Figure 1 is computed beside other parts"
    assert beside not in quick.page.read_text(encoding="utf-8")
    done = {"figure1": quick.done["figure1"]}
    assert beside in html(make_page(PARTS, done, tmp_path, quick=False, backend="numpy")[0])


def nasty_page(folder: Path) -> Page:
    stem = folder / "part" / "figure"
    stem.parent.mkdir()
    stem.with_suffix(".svg").write_text('<?xml version="1.0"?><svg><g id="a"/><use href="#a" clip="url(#a)"/></svg>')
    verdict = Verdict(NASTY, False)
    blocks = [
        Paragraph(NASTY, Code(NASTY), Link(NASTY, "a.csv"), Maths(NASTY), verdict),
        Formulas((NASTY,)),
        Notice(NASTY),
        Table((NASTY, "b"), [(NASTY, verdict)], NASTY, ["a.csv"]),
        Gallery([Picture(stem, NASTY, NASTY, ["a.csv"])]),
    ]
    return Page(NASTY, blocks, [Section("anchor", NASTY, blocks, [NASTY])], folder)


def test_no_text_is_markup_in_html(tmp_path: Path) -> None:
    text = html(nasty_page(tmp_path))
    page = Reader(text)
    assert page.tags["script"] == 0
    assert page.text.count(NASTY) >= 16
    assert ("aria-label", NASTY) in page.attributes
    assert ("data-column", NASTY) in page.attributes
    assert ("href", "#part-figure-a") in page.attributes
    assert "url(#part-figure-a)" in text


def test_no_text_is_markup_in_markdown(tmp_path: Path) -> None:
    text = markdown(nasty_page(tmp_path))
    outside_code = re.sub(r"`[^`\n]*`", "", re.sub(r"^    .*$|\\`", "", text, flags=re.MULTILINE))
    assert "<script>" not in outside_code
    assert not re.search(r"(?<!\\)\[c(?!\\)\]", outside_code)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_formulas_have_their_subscripts() -> None:
    page = Page("t", [Paragraph(Maths("∂ℓ/∂V_{jk} = e^{o_i} h^T < y_c"))], [], Path())
    shown = html(page).split('<span class="maths')[1].split("</span>")[0].split(">", 1)[1]
    assert shown == "∂ℓ/∂V<sub>jk</sub> = e<sup>o<sub>i</sub></sup> h<sup>T</sup> &lt; y<sub>c</sub>"


def test_failures_are_told(quick: Report) -> None:
    from xpmlp.cli.report import summary

    worse = Comparison("Final", "test loss", "0.124", "0.2", Verdict("higher", False))
    lines = list(summary(quick._replace(comparisons=[worse]), 1.0))
    assert lines[0] == "Final, test loss: 0.2, coursework 0.124: higher"
    assert lines[1] == "0 of 1 figures are as the coursework's or better"

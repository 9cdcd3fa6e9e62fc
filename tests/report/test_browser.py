"""The page in a browser, at desktop and phone width: nothing broken, nothing cut off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser import result_of
from xpmlp.report import Report

SMALLEST_LETTERS = 9
"""Points, in the figures."""

pytestmark = pytest.mark.browser

# Runs in a page that holds the report in a frame of the wanted width (a window of Chromium's is 500 pixels or more).
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><script>
const frame = document.createElement("iframe");
frame.style.cssText = "border:0;height:900px;width:WIDTHpx";
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement, width = root.clientWidth;
  const out = [...page.body.querySelectorAll("*:not(svg *)")].filter(
    (e) => !e.closest("thead") && e.getBoundingClientRect().right > width + 1);
  const text = [...page.querySelectorAll("p, td, th, caption, figcaption, a, h1, h2")];
  const found = {
    overflow: root.scrollWidth - width,
    out: out.map((e) => e.tagName + " " + e.textContent.slice(0, 40)),
    small: Math.min(...text.map((e) => parseFloat(page.defaultView.getComputedStyle(e).fontSize))),
    figures: [...page.querySelectorAll("figure svg")].map((e) => {
      const box = e.getBoundingClientRect(); return [box.width, box.height]; }),
    scales: [...page.querySelectorAll("figure svg")].map(
      (e) => e.getBoundingClientRect().width / e.viewBox.baseVal.width),
    images: [...page.querySelectorAll("svg image")].map((e) => e.getBBox().width),
    sections: page.querySelectorAll("section").length,
  };
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
};
frame.src = "report.html";
document.body.append(frame);
</script>"""


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_in_a_browser(quick: Report, folder: Path, tmp_path: Path, width: int) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(quick.page, copy)
    (copy / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
    found = result_of(copy / "probe.html")
    assert found["sections"] == 10
    assert found["out"] == []
    assert found["overflow"] == 0
    assert found["small"] >= 12
    assert len(found["figures"]) == 9
    assert all(300 <= w <= width and h > 100 for w, h in found["figures"])
    assert min(found["scales"]) * SMALLEST_LETTERS >= 8  # pixels
    assert all(size > 0 for size in found["images"])

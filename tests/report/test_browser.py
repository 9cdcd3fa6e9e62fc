"""The page in a browser, at desktop and phone width: nothing broken, nothing cut off."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

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


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found is not None, "tests marked `browser` need Chromium on the path"
    return found


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_in_a_browser(quick: Report, folder: Path, tmp_path: Path, width: int) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(quick.page, copy)
    (copy / "probe.html").write_text(PROBE.replace("WIDTH", str(width)))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
    flags += ["--allow-file-access-from-files", "--virtual-time-budget=5000", "--enable-logging=stderr", "--v=0"]
    flags += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000", "--dump-dom"]
    ended = subprocess.run(
        [chromium(), *flags, (copy / "probe.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "CONSOLE" not in ended.stderr, ended.stderr  # what a page logs: errors, and files that are not found
    result = re.search(r'<pre id="result">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert result is not None, ended.stdout[-2_000:]
    found = json.loads(unescape(result[1]))
    assert found["sections"] == 10
    assert found["out"] == []
    assert found["overflow"] == 0
    assert found["small"] >= 12
    assert len(found["figures"]) == 9
    assert all(300 <= w <= width and h > 100 for w, h in found["figures"])
    assert min(found["scales"]) * SMALLEST_LETTERS >= 8  # pixels
    assert all(size > 0 for size in found["images"])

"""Pages against axe-core's rules, if ``XPMLP_AXE`` names its ``axe.min.js`` (``npm install axe-core``)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser import result_of
from xpmlp.pages import compare, write_comparison, write_page

AXE = os.environ.get("XPMLP_AXE")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(AXE is None, reason="XPMLP_AXE names no axe.min.js, which `npm install axe-core` brings"),
]

RUN = """<script>
const result = document.createElement("pre");
result.id = "result";
axe.run(document).then((found) => {
  result.textContent = JSON.stringify(found.violations.map((one) => [one.impact, one.id, one.nodes[0].html]));
  document.body.append(result);
});
</script></body>"""


def faults(page: Path) -> list[list[str]]:
    """The faults that axe finds on a page; its own script is let in, for which the page's policy has to go."""
    content = page.read_text(encoding="utf-8")
    content = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", content)
    page.write_text(content.replace("</body>", f'<script src="{Path(AXE or "").as_uri()}"></script>{RUN}'), "utf-8")
    return list(result_of(page))


@pytest.mark.parametrize("run", ["pets", "price", "digits"])
def test_a_page_has_no_fault(runs: Callable[[str], Path], run: str, tmp_path: Path) -> None:
    assert faults(write_page(runs(run), out=tmp_path / "page.html", rows=3)) == []


def test_a_comparison_has_no_fault(runs: Callable[[str], Path], tmp_path: Path) -> None:
    write_comparison(compare([runs("digits"), runs("narrow"), runs("pets")]), tmp_path / "page.html")
    assert faults(tmp_path / "page.html") == []


def test_a_fault_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><html><head></head><body><img src='data:,'></body></html>", encoding="utf-8")
    assert {"image-alt", "html-has-lang"} <= {name for _, name, _ in faults(page)}

"""Chromium, and the results of scripts in files opened in it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
FLAGS += ["--allow-file-access-from-files", "--virtual-time-budget=5000", "--enable-logging=stderr", "--v=0"]
FLAGS += ["--window-size=1400,1000"]


def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found is not None, "tests marked `browser` need Chromium on the path"
    return found


def result_of(page: Path) -> Any:
    """Open a page in the browser: the JSON in its element ``result``; no error may be logged."""
    command = [chromium(), *FLAGS, f"--user-data-dir={page.parent / 'profile'}", "--dump-dom", page.as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in ended.stderr, ended.stderr  # what a page logs: errors, and files that are not found
    found = re.search(r'<pre id="result">(.*?)</pre>', ended.stdout, re.DOTALL)
    assert found is not None, ended.stdout[-2_000:]
    return json.loads(unescape(found[1]))

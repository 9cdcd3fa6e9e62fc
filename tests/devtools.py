"""Chromium through its DevTools protocol: pages of any width and colour scheme, pressed keys, announced texts."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tests.browser import chromium

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars"]
FLAGS += ["--remote-debugging-pipe", "--no-first-run"]

# Chromium reads commands from file 3 and writes to file 4
LAUNCH = """
import fcntl, os, sys
for place, given in enumerate([fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]):
    os.dup2(given, 3 + place)
os.execv(sys.argv[3], sys.argv[3:])
"""

KEYS = {"Tab": 9, "Enter": 13, " ": 32, "PageUp": 33, "End": 35, "Home": 36}
KEYS |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Backspace": 8}
TEXTS = {"Enter": "\r", " ": " "}


class Tab:
    """A page in Chromium.

    Attributes
    ----------
    problems : list of str
        What it has logged: errors of scripts and of the policy.
    """

    def __init__(self, send: BinaryIO, receive: BinaryIO) -> None:
        self._send, self._receive = send, receive
        self._numbers, self._session, self._loaded = itertools.count(1), "", False
        self.problems: list[str] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> Any:
        """Have a command of the protocol done: its result."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": number, "method": method, "params": parameters, **session}
        self._send.write(json.dumps(message).encode() + b"\0")
        self._send.flush()
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def _next(self) -> Any:
        heard = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            heard += byte
        message = json.loads(heard)
        self._loaded |= message.get("method") == "Page.loadEventFired"
        if message.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.problems.append(json.dumps(message["params"]))
        return message

    def open(self, page: Path, width: int = 1280, height: int = 900, **features: str) -> None:
        """Load a page of this width; ``features`` of its media, as ``prefers_color_scheme="dark"``."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self("Emulation.setEmulatedMedia", features=told)
        self._loaded = False
        self("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._next()

    def evaluate(self, script: str) -> Any:
        """Compute an expression in the page: its value, of JSON's types."""
        found = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press keys one after another, each by its name or its character."""
        for key in keys:
            number = KEYS.get(key) or (ord(key.upper()) if key.isalnum() else 0)
            code = {"key": key, "windowsVirtualKeyCode": number, "modifiers": 8 * shift}
            text = {"text": TEXTS.get(key, key)} if len(key) == 1 or key in TEXTS else {}
            self("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **code, **text)
            self("Input.dispatchKeyEvent", type="keyUp", **code)

    def tree(self) -> list[dict[str, Any]]:
        """The nodes that a screen reader meets, in order: role, name, and what else is known of each."""
        nodes = self("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
            | {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
            for node in nodes
            if not node["ignored"]
        ]


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Run Chromium, its profile in a folder."""
    (here, to), (back, there) = os.pipe(), os.pipe()
    command = [chromium(), *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    launch = [sys.executable, "-c", LAUNCH, str(here), str(there), *command]
    with (
        os.fdopen(to, "wb") as send,
        os.fdopen(back, "rb") as receive,
        subprocess.Popen(launch, pass_fds=(here, there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run,
    ):
        os.close(here)
        os.close(there)
        try:
            yield Tab(send, receive)
        finally:
            run.terminate()

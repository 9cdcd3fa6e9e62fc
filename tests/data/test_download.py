"""Downloads from servers on this machine: mirrors, verification, one process at a time, no network."""

from __future__ import annotations

import gzip
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from tests.data.conftest import TinySet
from xpmlp.data import fetch, list_sets, load
from xpmlp.data.image_sets import IMAGE_SETS
from xpmlp.errors import DataError

Places = dict[str, Path]


class Mirror:
    """An HTTP server that gives ``files`` and counts what it gave.

    ``headers`` are added to every answer; ``gate`` is waited for in the middle of every file.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.given = files, Counter[str]()
        self.headers: dict[str, str] = {}
        self.redirected_to: str | None = None
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._head()

            def do_GET(self) -> None:
                if self._head():
                    content = mirror.files[self.path[1:]]
                    with suppress(OSError):  # whoever asked may have gone
                        first = min(100, len(content) - 1)
                        self.wfile.write(content[:first])
                        mirror.begun.set()
                        mirror.gate.wait(60)
                        self.wfile.write(content[first:-1])
                        mirror.given[self.path[1:]] += 1  # before the last byte: whoever has it may count at once
                        self.wfile.write(content[-1:])

            def _head(self) -> bool:
                content = mirror.files.get(self.path[1:])
                status = 404 if content is None else 302 if mirror.redirected_to else 200
                headers = {"Content-Length": str(len(content or b""))} | mirror.headers
                if mirror.redirected_to:
                    headers |= {"Location": mirror.redirected_to + self.path[1:], "Content-Length": "0"}
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                return status == 200

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.gate.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


Serve = Callable[[dict[str, bytes]], Mirror]


@pytest.fixture
def serve(places: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("xpmlp.data.transfer.SECURE", ("https://", "http://127.0.0.1:"))
    mirrors: list[Mirror] = []

    def start(files: dict[str, bytes]) -> Mirror:
        mirrors.append(Mirror(files))
        return mirrors[-1]

    yield start
    for mirror in mirrors:
        mirror.close()


@pytest.fixture
def files(tiny: TinySet) -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(content) for name, content in tiny.content.items()}


@pytest.fixture
def use(tiny: TinySet, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(*mirrors: str) -> None:
        monkeypatch.setitem(IMAGE_SETS, "mnist", tiny.image_set(*mirrors))

    return use


def stored(places: Places) -> set[str]:
    return {path.name for path in (places["cache"] / "mnist").iterdir()} - {".lock"}


def test_what_is_missing_is_downloaded_once(
    places: Places, tiny: TinySet, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    mirror = serve(files)
    use(mirror.url)
    assert "xpmlp data fetch mnist" in {row.name: row.where for row in list_sets()}["mnist"]
    for _ in range(2):
        dataset = load("mnist", validation_size=4)
        np.testing.assert_array_equal(dataset.train.features, tiny.images[:26].reshape(26, 784))
    assert fetch("mnist", quiet=True) == places["cache"] / "mnist"
    assert mirror.given == dict.fromkeys(files, 1)
    assert stored(places) == set(files)


@pytest.mark.parametrize("place", ["variable", "debian"])
def test_what_is_on_this_machine_is_checked_rather_than_downloaded(
    places: Places, tiny: TinySet, files: dict[str, bytes], serve: Serve, use: Callable[..., None], place: str
) -> None:
    mirror = serve(files)
    use(mirror.url)
    folder = tiny.write(places[place] / "mnist")
    assert fetch("mnist", quiet=True) == folder
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(files["train-labels-idx1-ubyte.gz"])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: not the published"):
        fetch("mnist", quiet=True)
    assert not mirror.given


def test_an_interrupted_download_is_completed(
    places: Places, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    first, *others = files
    (places["cache"] / "mnist").mkdir()
    (places["cache"] / "mnist" / first).write_bytes(files[first])
    mirror = serve(files)
    use(mirror.url)
    fetch("mnist", quiet=True)
    assert mirror.given == dict.fromkeys(others, 1)


def test_the_next_mirror_makes_up_for_a_bad_one(
    places: Places, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    lacking = dict(list(files.items())[:3])
    lying = {**lacking, "train-labels-idx1-ubyte.gz": gzip.compress(b"not IDX")}
    bad, good = serve(lying), serve(files)
    use(bad.url, good.url)
    fetch("mnist", quiet=True)
    assert {path: (places["cache"] / "mnist" / path).read_bytes() for path in stored(places)} == files
    assert good.given["t10k-labels-idx1-ubyte.gz"] == good.given["train-labels-idx1-ubyte.gz"] == 1


def test_nothing_is_kept_that_is_not_the_published_file(
    places: Places, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    mirror = serve({**files, "train-images-idx3-ubyte.gz": files["t10k-images-idx3-ubyte.gz"]})
    use(mirror.url)
    with pytest.raises(DataError, match=r"127\.0\.0\.1:\d+: not the published train-images-idx3-ubyte"):
        fetch("mnist", quiet=True)
    assert stored(places) == set()


def test_a_damaged_file_in_the_cache_is_an_error(
    places: Places, tiny: TinySet, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    mirror = serve(files)
    use(mirror.url)
    path = tiny.write(places["cache"] / "mnist") / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz: the gzip file is cut short"):
        fetch("mnist", quiet=True)


def test_one_downloads_while_others_wait(files: dict[str, bytes], serve: Serve, use: Callable[..., None]) -> None:
    mirror = serve(files)
    use(mirror.url)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: fetch("mnist", quiet=True), range(4)))
    assert len(folders) == 1
    assert mirror.given == dict.fromkeys(files, 1)


def test_a_bar_is_drawn_unless_quiet(
    files: dict[str, bytes], serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    use(serve(files).url)
    fetch("mnist")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "100%" in captured.err


def test_quiet_is_quiet(
    files: dict[str, bytes], serve: Serve, use: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    use(serve(files).url)
    fetch("mnist", quiet=True)
    assert capfd.readouterr() == ("", "")


def test_without_a_network_one_sentence_says_what_to_do(
    places: Places, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One mirror refuses connections, the other takes them and never answers, as behind a firewall."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("xpmlp.data.transfer.SECURE", ("http://127.0.0.1:",))
    monkeypatch.setattr("xpmlp.data.download._ANSWER_WITHIN", 0.3)
    monkeypatch.setattr("xpmlp.data.download._CONNECT_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()[1]
        closed.close()
        use(f"http://127.0.0.1:{refusing}/", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        begun = time.monotonic()
        with pytest.raises(DataError) as caught:
            load("mnist")
        assert time.monotonic() - begun < 2.0
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "ConnectionError",
        "no answer",
        "XPMLP_DATA_DIR",
        "configs/quickstart.toml",
        "t10k-images-idx3-ubyte.gz",
    ):
        assert part in message
    assert stored(places) == set()


def test_a_cache_that_cannot_be_written_to_is_named(places: Places, use: Callable[..., None]) -> None:
    (places["cache"] / "mnist").write_text("a file in the folder's place")
    with pytest.raises(DataError, match="cannot be kept in"):
        fetch("mnist", quiet=True)


def test_only_image_sets_are_fetched() -> None:
    with pytest.raises(DataError, match="digits needs no download"):
        fetch("digits")
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        fetch("mnits")


def test_a_mirror_that_is_not_secure_is_not_asked(
    files: dict[str, bytes], serve: Serve, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = serve(files)
    use(mirror.url)
    monkeypatch.setattr("xpmlp.data.transfer.SECURE", ("https://",))
    with pytest.raises(DataError, match="InvalidSchema"):
        fetch("mnist", quiet=True)
    assert not mirror.given


def test_a_mirror_may_not_send_elsewhere_than_to_a_secure_one(
    files: dict[str, bytes], serve: Serve, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    secure, elsewhere = serve(files), serve(files)
    secure.redirected_to = elsewhere.url
    use(secure.url)
    monkeypatch.setattr("xpmlp.data.transfer.SECURE", (secure.url,))
    with pytest.raises(DataError, match="InvalidSchema"):
        fetch("mnist", quiet=True)
    assert not elsewhere.given


def test_a_mirror_that_does_not_end_is_not_listened_to(
    places: Places, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    endless = gzip.compress(files["train-images-idx3-ubyte.gz"] + bytes(64 << 20), compresslevel=0)
    mirror = serve({**files, "train-images-idx3-ubyte.gz": endless})
    use(mirror.url)
    with pytest.raises(DataError, match="File too large"):
        fetch("mnist", quiet=True)
    assert not mirror.given
    assert stored(places) == set()


@pytest.mark.parametrize("length", ["x", "-1", "9" * 400, "1000000000"])
def test_lengths_that_a_mirror_should_not_announce(
    places: Places, files: dict[str, bytes], serve: Serve, use: Callable[..., None], length: str
) -> None:
    """It is an error, or the file is had all the same; a mirror's number is never more than a hint."""
    mirror = serve(files)
    mirror.headers = {"Content-Length": length}
    use(mirror.url)
    with suppress(DataError):
        fetch("mnist", quiet=True)
    assert stored(places) <= set(files)


SCRIPT = """
import pickle, sys
from pathlib import Path
import pooch
from xpmlp.data import fetch, image_sets, transfer

image_set, cache, url = pickle.loads(sys.stdin.buffer.read())
image_sets.IMAGE_SETS["mnist"] = image_set
pooch.os_cache = lambda project: cache
transfer.SECURE = (url,)
print(fetch("mnist", quiet=True))
"""


def fetching(tiny: TinySet, places: Places, mirror: Mirror) -> subprocess.Popen[bytes]:
    """A process that fetches the tiny set from a mirror."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((tiny.image_set(mirror.url), places["cache"], mirror.url)))
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.slow
def test_one_process_downloads_while_another_waits(
    places: Places, tiny: TinySet, files: dict[str, bytes], serve: Serve
) -> None:
    mirror = serve(files)
    mirror.gate.clear()
    processes = [fetching(tiny, places, mirror) for _ in range(2)]
    assert mirror.begun.wait(60)
    mirror.gate.set()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.decode().strip(), err) == (0, str(places["cache"] / "mnist"), b"")
    assert mirror.given == dict.fromkeys(files, 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_what_a_killed_download_has_left_is_cleared_away(
    places: Places, tiny: TinySet, files: dict[str, bytes], serve: Serve, use: Callable[..., None]
) -> None:
    mirror = serve(files)
    mirror.gate.clear()
    killed = fetching(tiny, places, mirror)
    assert mirror.begun.wait(60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert [name for name in stored(places) if ".part" in name]
    mirror.gate.set()
    use(mirror.url)
    fetch("mnist", quiet=True)
    assert stored(places) == set(files)


def test_nothing_is_parsed_before_it_is_verified(
    files: dict[str, bytes], serve: Serve, use: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("the header was looked at")

    monkeypatch.setattr("xpmlp.data.idx._read_header", parse)
    use(serve(files).url)
    fetch("mnist", quiet=True)
    use(serve(dict.fromkeys(files, b"\x00\x00\x08\x01\xff\xff\xff\xff")).url)
    fetch("mnist", quiet=True)  # all is there


def test_published_sets_have_several_mirrors_and_only_secure_ones() -> None:
    for image_set in IMAGE_SETS.values():
        assert len(image_set.mirrors) >= 2
        assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in image_set.mirrors)

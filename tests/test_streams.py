"""Streams that do not fail: their output, and their handling of errors in the stream below."""

from __future__ import annotations

import errno
import io
import os
import sys
import threading

import numpy as np
import pytest

from xpmlp._streams import SafeStream
from xpmlp.estimator import MLPClassifier


class WriteOnly:
    """A stream as some notebooks and windows have it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Failing(WriteOnly):
    """A stream that takes no text, for a reason."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.attempts = error, 0

    def write(self, text: str) -> None:
        self.attempts += 1
        raise self.error


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def test_text_passes_as_it_is() -> None:
    below = WriteOnly()
    text = "R² 0.5\n" * 1_000
    assert print(text, end="", file=SafeStream(below), flush=True) is None
    assert below.text == text


@pytest.mark.parametrize("encoding", ["ascii", "cp1251", "gbk"])
def test_characters_that_are_lacking_are_replaced(encoding: str) -> None:
    below = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(below, encoding))
    assert stream.encoding == encoding
    print("R² 0.5 ✗ \udcff", file=stream)
    assert below.getvalue() == b"R? 0.5 ? ?\n"


@pytest.mark.parametrize("below", [None, closed(), WriteOnly()], ids=["none", "closed", "write only"])
def test_a_stream_that_is_missing_or_poor_is_no_terminal_and_fails_nothing(below: object) -> None:
    stream = SafeStream(below)
    assert not stream.isatty()
    print("text", file=stream, flush=True)
    assert stream.loss is None
    with pytest.raises(OSError, match="fileno"):
        stream.fileno()


@pytest.mark.parametrize(("number", "lost"), [(errno.EPIPE, False), (errno.EIO, False), (errno.ENOSPC, True)])
def test_after_a_failure_nothing_more_is_written(number: int, lost: bool) -> None:
    below = Failing(OSError(number, os.strerror(number)))
    stream = SafeStream(below)
    print("one", file=stream)
    print("two", file=stream)
    assert below.attempts == 1
    assert stream.loss == (os.strerror(number) if lost else None)


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows always waits for its reader")
@pytest.mark.parametrize("line_buffering", [False, True])
def test_a_pipe_that_does_not_wait_gets_everything(line_buffering: bool) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    text = "".join(f"line {number} with ², which takes two bytes\n" for number in range(20_000))
    got = bytearray()

    def reader() -> None:
        while piece := os.read(read, 1 << 14):
            got.extend(piece)

    thread = threading.Thread(target=reader)
    thread.start()
    with os.fdopen(write, "w", encoding="utf-8") as below:
        below.reconfigure(line_buffering=line_buffering)
        stream = SafeStream(below)
        stream.write(text)
    assert stream.problem is None
    thread.join()
    os.close(read)
    assert got.decode() == text


def test_bytes_are_refused() -> None:
    with pytest.raises(TypeError, match="bytes"):
        SafeStream(io.StringIO()).write(b"text")  # type: ignore[arg-type]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("below", [None, closed(), Failing(BrokenPipeError())], ids=["none", "closed", "no reader"])
def test_an_estimator_fits_whatever_its_words_are_written_to(
    monkeypatch: pytest.MonkeyPatch, solver: str, below: object
) -> None:
    X = np.random.default_rng(0).normal(size=(50, 3))
    y = X[:, 0] > 0
    silent, spoken = (MLPClassifier(solver=solver, max_iter=400, tol=1, random_state=0, verbose=v) for v in (0, 1))
    silent.fit(X, y)
    with monkeypatch.context() as streams:
        streams.setattr(sys, "stdout", below)
        streams.setattr(sys, "stderr", below)
        spoken.fit(X, y)
    np.testing.assert_array_equal(spoken.coefs_[0], silent.coefs_[0])

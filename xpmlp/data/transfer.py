"""Download of one file from a mirror, over HTTPS only and within a size limit."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xpmlp._streams import SafeStream

if TYPE_CHECKING:
    import requests

SECURE = ("https://",)
"""The prefixes allowed for an address and for every redirect."""

_CHUNK = 1 << 16
_AS_STORED = {"Accept-Encoding": "identity"}


def answers(url: str, timeout: float) -> None:
    """Check by a HEAD request that a mirror has a file.

    Raises
    ------
    OSError
        If there is no answer, or the file is not there; requests' own errors are OSErrors too.
    """
    with _session() as session:
        session.head(url, timeout=timeout, allow_redirects=True).raise_for_status()


def transfer(url: str, target: Path, *, at_most: int, timeout: tuple[float, float], quiet: bool) -> None:
    """Download the file at an address to ``target``, in its stored encoding.

    Parameters
    ----------
    url : str
    target : Path
    at_most : int
        The size limit in bytes; a longer download is aborted.
    timeout : (float, float)
        Seconds for connecting, and for each read.
    quiet : bool
        Whether to draw no progress bar (on standard error).

    Raises
    ------
    OSError
        If the file cannot be downloaded, is larger than ``at_most``, or cannot be written.
    """
    from tqdm import tqdm

    with _session() as session, session.get(url, timeout=timeout, headers=_AS_STORED, stream=True) as response:
        response.raise_for_status()
        announced = response.headers.get("Content-Length", "")
        total = int(announced) if announced.isdecimal() and len(announced) < 16 else None
        bar = tqdm(total=total, ncols=79, unit="B", unit_scale=True, disable=quiet, file=SafeStream(sys.stderr))
        with target.open("wb") as file, bar, _as_os_errors():
            while piece := response.raw.read(_CHUNK, decode_content=False):
                if file.tell() + len(piece) > at_most:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
                file.write(piece)
                bar.update(len(piece))


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Turn urllib3's errors, which reading raw bytes lets through, into `ConnectionError`."""
    from urllib3.exceptions import HTTPError

    try:
        yield
    except HTTPError as error:
        raise ConnectionError(type(error).__name__) from error


def _session() -> requests.Session:
    """Return a session confined to HTTPS, even when redirected."""
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.adapters.clear()
    for prefix in SECURE:
        session.mount(prefix, HTTPAdapter())
    return session

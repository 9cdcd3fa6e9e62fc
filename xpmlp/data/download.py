"""Download of the image sets: several mirrors, one process at a time, nothing kept or parsed before verification."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from xpmlp._files import replacing
from xpmlp._locks import InUseError, exclusive
from xpmlp.data.image_sets import IdxFile, ImageSet, check_published
from xpmlp.data.locate import by_hand, cache_folder, locate
from xpmlp.data.transfer import answers, transfer
from xpmlp.errors import DataError

# Seconds.  A firewall that drops packets costs a full connection timeout for every address of every mirror, so all
# mirrors are first asked at once, with this limit in total.
_ANSWER_WITHIN = 4.0
_CONNECT_TIMEOUT = 3.0
_READ_TIMEOUT = 20.0

_GZIP_OVERHEAD = 1 << 16
"""Upper bound on the bytes that gzip adds to incompressible content, with a margin."""

_NO_DOWNLOAD_NEEDED = "or train configs/quickstart.toml, which needs no download"


def fetch_image_set(image_set: ImageSet, *, quiet: bool) -> Path:
    """Return the cache folder of ``image_set`` with all its files, downloaded if need be and verified.

    Processes that want the same set at the same time wait for the first.

    Parameters
    ----------
    quiet : bool
        Whether to draw no progress bars (on standard error).

    Raises
    ------
    DataError
        If no mirror provides a missing file, a cached file is not the published one, or the cache is not writable.
    """
    folder = cache_folder(image_set.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / ".lock"):
            for left_behind in folder.glob(".*.part*"):  # by a process that was killed
                left_behind.unlink()
            missing = []
            for file in image_set.files:
                present = locate(folder, file)
                if present is None:
                    missing.append(file)
                else:
                    check_published(present, file)
            if missing:
                mirrors = _answering_first(image_set, missing[0])
                for file in missing:
                    _download(image_set, file, mirrors, folder / f"{file.name}.gz", quiet)
    except InUseError as error:
        raise DataError(f"{image_set.name} is being downloaded by another process; {error}") from None
    except OSError as error:
        raise DataError(
            f"{image_set.name} cannot be kept in {folder} ({error.strerror or error}): {by_hand(image_set)}, "
            f"{_NO_DOWNLOAD_NEEDED}"
        ) from None
    return folder


def _answering_first(image_set: ImageSet, file: IdxFile) -> list[str]:
    """Return the mirrors, the first to answer in front.

    Raises
    ------
    DataError
        If none answers in time.
    """
    heard: queue.SimpleQueue[tuple[str, OSError | None]] = queue.SimpleQueue()

    def ask(mirror: str) -> None:
        try:
            answers(f"{mirror}{file.name}.gz", _CONNECT_TIMEOUT)
        except OSError as error:
            heard.put((mirror, error))
        else:
            heard.put((mirror, None))

    for mirror in image_set.mirrors:  # daemons, so that one that hangs does not keep the program from ending
        threading.Thread(target=ask, args=(mirror,), daemon=True).start()
    reasons = {_host(mirror): f"no answer in {_ANSWER_WITHIN:g} s" for mirror in image_set.mirrors}
    deadline = time.monotonic() + _ANSWER_WITHIN
    for _ in image_set.mirrors:
        try:
            mirror, error = heard.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        if error is None:
            return [mirror, *(other for other in image_set.mirrors if other != mirror)]
        reasons[_host(mirror)] = type(error).__name__
    raise _could_not_download(image_set, reasons)


def _download(image_set: ImageSet, file: IdxFile, mirrors: list[str], target: Path, quiet: bool) -> None:
    """Download ``file``, gzipped, to ``target`` from the first mirror that has the published bytes."""
    reasons = {}
    for mirror in mirrors:
        try:
            with replacing(target) as temporary:
                transfer(
                    f"{mirror}{file.name}.gz",
                    temporary,
                    at_most=file.size + _GZIP_OVERHEAD,
                    timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT),
                    quiet=quiet,
                )
                check_published(temporary, file)
        except DataError:
            reasons[_host(mirror)] = f"not the published {file.name}"
        except OSError as error:
            reasons[_host(mirror)] = f"{file.name}: {error.strerror or type(error).__name__}"
        else:
            return
    raise _could_not_download(image_set, reasons)


def _could_not_download(image_set: ImageSet, reasons: dict[str, str]) -> DataError:
    tried = "; ".join(f"{host}: {reason}" for host, reason in reasons.items())
    return DataError(
        f"{image_set.name} is not on this machine and could not be downloaded ({tried}): {by_hand(image_set)}, "
        f"{_NO_DOWNLOAD_NEEDED}"
    )


def _host(mirror: str) -> str:
    return urlsplit(mirror).netloc

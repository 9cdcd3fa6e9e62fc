"""Notices about omitted steps, each shown only once."""

from __future__ import annotations

from xpmlp._text import printable

_shown: set[str] = set()


def notice_once(topic: str, sentence: str) -> None:
    """Log a warning to the logger ``xpmlp``, which prints it on standard error if logging is not configured.

    A worker process stays silent: it works in the folders of its parent process, which has issued the notice.

    Parameters
    ----------
    topic : str
        Only the first notice of each topic is shown.
    sentence : str
    """
    import logging
    import multiprocessing

    if topic in _shown or multiprocessing.parent_process() is not None:
        return
    _shown.add(topic)
    logging.getLogger("xpmlp").warning("%s", printable(sentence))

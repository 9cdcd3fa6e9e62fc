"""Notices about what was left out: shown once, however often it happens."""

from __future__ import annotations

from xpmlp._text import printable

_shown: set[str] = set()


def notice_once(topic: str, sentence: str) -> None:
    """Log a warning to the logger ``xpmlp``, which prints it on standard error if nobody has set up logging.

    A worker process stays silent: it works in the folders of the process that started it, which has said it.

    Parameters
    ----------
    topic : str
        The first notice of each topic is shown.
    sentence : str
    """
    import logging
    import multiprocessing

    if topic in _shown or multiprocessing.parent_process() is not None:
        return
    _shown.add(topic)
    logging.getLogger("xpmlp").warning("%s", printable(sentence))

"""``python -m xpmlp``: the same as ``xpmlp``."""

from xpmlp.cli import main

main()

"""The page of a model: one HTML file to look at, to try and to pass on; and what tells several models apart."""

from xpmlp.pages.comparing import compare
from xpmlp.pages.comparison_page import write_comparison
from xpmlp.pages.page import write_page

__all__ = ["compare", "write_comparison", "write_page"]

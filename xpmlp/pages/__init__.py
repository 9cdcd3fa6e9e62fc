"""The page of a model: one HTML file for viewing, trying and sharing it; and comparisons of several models."""

from xpmlp.pages.comparing import compare
from xpmlp.pages.comparison_page import write_comparison
from xpmlp.pages.page import write_page

__all__ = ["compare", "write_comparison", "write_page"]

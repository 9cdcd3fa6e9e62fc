"""The page of a model: one HTML file to look at, to try and to pass on."""

from xpmlp.pages.page import write_page

__all__ = ["write_page"]

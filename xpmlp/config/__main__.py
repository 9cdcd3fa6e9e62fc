"""Print the configuration reference: ``python -m xpmlp.config > docs/configuration.md``."""

from xpmlp.config.reference import markdown

print(markdown(), end="")

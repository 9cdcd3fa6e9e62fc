"""Timings of xpmlp and other libraries on the same work; see README.md here."""

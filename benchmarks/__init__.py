"""Timings of xpmlp beside other libraries on the same work.  See README.md here."""

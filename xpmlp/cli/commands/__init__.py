"""The commands of ``xpmlp``, one in each file.  They import what they need when they run, so that help is quick."""

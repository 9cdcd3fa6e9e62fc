"""The commands of ``xpmlp``, each in a file.  What they need is imported when they run, so that help is quick."""

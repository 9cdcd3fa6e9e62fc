"""Files as no honest program writes them, and what the readers may make of them.

Every target makes mutations of valid files that know the format's structure, from a `random.Random`: a seed gives
always the same file, hypothesis and atheris can draw the choices themselves.  `attempt` hands a file to the program's
reader and accepts two outcomes only: what an independent reading of the same bytes gives, or the program's own error.
"""

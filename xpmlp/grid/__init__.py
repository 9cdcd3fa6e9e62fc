"""Grids: many runs from one config, trained in blocks of stacked runs, side by side.

==============  ====================================================================
``plan``        the runs of a grid, and their blocks
``block``       training of one block, in any process
``schedule``    blocks as futures: here, over local processes, over a Dask cluster
``summary``     means and deviations over the seeds
``grid``        `train_grid`, which combines these; its run folder
``trials``      trials of settings: choice, training and judgement
``tuning``      `tune`, which tries settings for some time and trains a vote with the best
==============  ====================================================================
"""

from xpmlp.grid.grid import GridReporter, GridResult, train_grid
from xpmlp.grid.plan import Block, Member, blocks_of, members_of
from xpmlp.grid.summary import Summary, summarize
from xpmlp.grid.tuning import Trial, TuningReporter, tune

__all__ = [
    "Block",
    "GridReporter",
    "GridResult",
    "Member",
    "Summary",
    "Trial",
    "TuningReporter",
    "blocks_of",
    "members_of",
    "summarize",
    "train_grid",
    "tune",
]

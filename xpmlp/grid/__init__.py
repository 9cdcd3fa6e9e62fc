"""Grids: many runs from one config, trained in blocks of stacked runs, side by side.

==============  ====================================================================
``plan``        the runs of a grid, and the blocks that they are trained in
``block``       training one block, in whatever process it lands
``schedule``    blocks as futures: here, over local processes, over a Dask cluster
``summary``     means and deviations over the seeds
``grid``        `train_grid`, which brings these together; its run folder
``trials``      settings that are tried, trained and judged
``tuning``      `tune`, which tries for some minutes and trains a vote with the best
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

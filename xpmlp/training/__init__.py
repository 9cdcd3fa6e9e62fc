"""Training, evaluation and prediction: what the command line and Python users call.

==================== ==================================================================
`train`              a config to a trained network, and to a run folder if asked for
`from_arrays`        arrays of any library as a data set to train on
`evaluate`           a run folder's network on a part of its data set
`predict`            a run folder's network on new inputs
`Reporter`           hears how a training goes
==================== ==================================================================

Inside: ``step`` is what a backend folds over batches, ``segments`` how an epoch is cut for that, ``loop`` the epochs of
a `Trainable` by its `RunPolicy`, ``run`` and ``record`` what a run did; from a ``snapshot`` a training goes on.
"""

from xpmlp.training.arrays import from_arrays
from xpmlp.training.evaluation import Evaluation, evaluate
from xpmlp.training.inference import Score
from xpmlp.training.prediction import Prediction, predict, predict_file, predict_interval
from xpmlp.training.record import History
from xpmlp.training.run import EpochRow, Progress, Reporter, Run, Status
from xpmlp.training.trainer import Result, train

__all__ = [
    "EpochRow",
    "Evaluation",
    "History",
    "Prediction",
    "Progress",
    "Reporter",
    "Result",
    "Run",
    "Score",
    "Status",
    "evaluate",
    "from_arrays",
    "predict",
    "predict_file",
    "predict_interval",
    "train",
]

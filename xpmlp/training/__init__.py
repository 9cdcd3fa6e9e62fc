"""Training, evaluation and prediction: the functions behind the command line and for Python users.

==================== ==================================================================
`train`              train the network of a config, optionally into a run folder
`from_arrays`        make a data set from arrays of any library
`evaluate`           evaluate a run folder's network on a part of its data set
`predict`            apply a run folder's network to new inputs
`Reporter`           listen to the progress of a training
==================== ==================================================================

Inside: ``step`` defines the fold over batches, ``segments`` divides an epoch for it, ``loop`` runs the epochs of a
`Trainable` under its `RunPolicy`, ``run`` and ``record`` hold the results, and a training resumes from a ``snapshot``.
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

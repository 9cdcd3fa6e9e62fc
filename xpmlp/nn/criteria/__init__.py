"""Criteria for comparing the epochs of a training.  The table is `criteria`."""

from xpmlp._records import RecordTable
from xpmlp.nn.criteria.criterion import Criterion
from xpmlp.nn.criteria.figures import AUC, ECE, ERROR, LOG_LOSS, MAE, RMSE
from xpmlp.nn.criteria.temperature import REFINED_LOG_LOSS, at_temperature, inverse_temperature

criteria = RecordTable(
    "criterion", Criterion, {one.name: one for one in (LOG_LOSS, REFINED_LOG_LOSS, ERROR, AUC, ECE, RMSE, MAE)}
)

__all__ = ["Criterion", "at_temperature", "criteria", "inverse_temperature"]

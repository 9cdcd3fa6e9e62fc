"""Losses, one file each: the encoding of targets, the loss with its derivative, and the prediction.  See `losses`.

================= ============================ ============================= ======================
name              targets                      prediction                    score
================= ============================ ============================= ======================
``cross_entropy`` one of several classes       softmax of the logits         accuracy
``logistic``      yes or no, once or more      sigmoid of the logits         accuracy
``squared``       values                       the logits                    R² (``r2``)
``poisson``       counts, values of at least 0 exponential of the logits     R² (``r2``)
``absolute``      values                       the logits                    R² (``r2``)
``huber``         values                       the logits                    R² (``r2``)
``quantile``      values, one column           the logits, a quantile each   R² (``r2``) of the median
================= ============================ ============================= ======================

The derivative is with respect to the logits and per example: nothing here divides by the batch size, which happens
where gradients are formed.  For the first four it is ``prediction - target``.
"""

from xpmlp._records import RecordTable
from xpmlp.nn.losses.absolute import ABSOLUTE
from xpmlp.nn.losses.cross_entropy import CROSS_ENTROPY, cross_entropy, one_hot, softmax
from xpmlp.nn.losses.huber import huber
from xpmlp.nn.losses.logistic import LOGISTIC
from xpmlp.nn.losses.loss import Loss, Metric, weighted
from xpmlp.nn.losses.poisson import POISSON
from xpmlp.nn.losses.quantile import quantile
from xpmlp.nn.losses.squared import SQUARED

metric_names: dict[str, str] = {"accuracy": "accuracy", "r2": "R²"}
"""Display names of the metrics, whose own names serve for columns and keys."""

losses = RecordTable(
    "loss",
    Loss,
    {one.name: one for one in (CROSS_ENTROPY, LOGISTIC, SQUARED, POISSON, ABSOLUTE, huber(), quantile())},
)
"""Losses with their default parameters; `Loss.with_settings` changes them."""

__all__ = ["Loss", "Metric", "cross_entropy", "losses", "metric_names", "one_hot", "softmax", "weighted"]

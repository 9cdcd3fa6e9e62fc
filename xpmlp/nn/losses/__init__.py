"""Losses, one file each: how targets are encoded, the loss with its derivative, what is predicted.  See `losses`.

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

The derivative is by the logits and per example: nothing here divides by the batch size, that happens where gradients
are formed.  For the first four it is ``prediction - target``.
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
"""The metrics, which name columns and keys, as a person would write them."""

losses = RecordTable(
    "loss",
    Loss,
    {one.name: one for one in (CROSS_ENTROPY, LOGISTIC, SQUARED, POISSON, ABSOLUTE, huber(), quantile())},
)
"""Each with the parameters that it has by default; `Loss.with_settings` gives it others."""

__all__ = ["Loss", "Metric", "cross_entropy", "losses", "metric_names", "one_hot", "softmax", "weighted"]

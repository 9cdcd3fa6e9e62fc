"""scikit-learn's multilayer perceptrons, on any array library: `MLPClassifier` and `MLPRegressor`.

A thin layer over the same core and training loop as the rest of the program.  The two public classes build on
``parameters``, ``fitted`` (weights, predictions, files) and ``base`` (`fit`); ``inputs`` and ``targets`` check the
arguments; ``trainable`` and ``policy`` give the training loop its network and scikit-learn's training rules.

The estimators for tables, in ``tabular`` (over ``tabular_parameters``, ``fitted_tabular`` and ``tabular_fitting``) and
``table_encoder``, are imported from `xpmlp` itself: they import a data frame library, which starts threads.
"""

from xpmlp.estimator.classifier import MLPClassifier
from xpmlp.estimator.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

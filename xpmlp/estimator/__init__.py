"""scikit-learn's multilayer perceptrons, on any array library: `MLPClassifier` and `MLPRegressor`.

A thin layer over the same core and training loop as the rest of the program.  Inside: the two classes are what a user
sees, over ``parameters``, ``fitted`` (weights, predictions, files) and ``base`` (`fit`); ``inputs`` and ``targets``
check what is given; ``trainable`` and ``policy`` tell the training loop what to train and how scikit-learn would go
about it.

The estimators for tables, of ``tabular`` (over ``tabular_parameters``, ``fitted_tabular`` and ``tabular_fitting``) and
``table_encoder``, are imported from `xpmlp` itself: they bring a library of data frames, which starts threads.
"""

from xpmlp.estimator.classifier import MLPClassifier
from xpmlp.estimator.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

"""scikit-learn's MLPClassifier.

It draws its own orders of examples, so it gets them in the common order, outside the timed part, and does not shuffle
them: slightly less work than the others have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.base import Peer


class Classifier(Peer):
    """MLPClassifier with plain SGD and no penalty."""

    def build(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Build the classifier; its first call allocates the arrays for the initial weights."""
        from sklearn.neural_network import MLPClassifier

        self.features, self.labels = features, labels
        self.model = MLPClassifier(
            self.work.hidden,
            activation={"sigmoid": "logistic", "relu": "relu"}[self.work.activation],
            solver="sgd",
            alpha=0.0,
            momentum=0.0,
            nesterovs_momentum=False,
            batch_size=self.work.batch,
            learning_rate_init=self.work.learning_rate,
            shuffle=False,
        )
        batch = slice(self.work.batch)
        self.model.partial_fit(features[batch], labels[batch], classes=np.arange(self.work.sizes[-1]))

    def restart(self) -> None:
        """Set the initial weights."""
        first = self.work.first_parameters()
        self.model.coefs_ = [weights for weights, _ in first]
        self.model.intercepts_ = [biases for _, biases in first]

    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Put the examples in order."""
        self.x, self.y = self.features[order.ravel()], self.labels[order.ravel()]

    def train(self) -> npt.NDArray[Any]:
        """Train for one pass over the examples."""
        self.model.partial_fit(self.x, self.y)
        return np.asarray([self.model.loss_])

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Predict with the classifier's own method."""
        return np.asarray(self.model.predict(features))

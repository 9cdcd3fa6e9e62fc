"""Keras 3 on JAX, by `compile` and `fit`.

`fit` gets the examples in the common order, outside the timed part, and does not shuffle them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.base import ContestantError, Peer


class Fit(Peer):
    """A Sequential model of Dense layers."""

    def build(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Build and compile the model."""
        try:
            import jax
            import keras

            jax.devices(self.device)
        except (ImportError, RuntimeError) as error:
            raise ContestantError(str(error)) from error
        self.features, self.labels = features, labels
        hidden = [keras.layers.Dense(width, activation=self.work.activation) for width in self.work.hidden]
        self.model = keras.Sequential(
            [keras.Input((self.work.sizes[0],)), *hidden, keras.layers.Dense(self.work.sizes[-1])]
        )
        self.model.compile(
            optimizer=keras.optimizers.SGD(self.work.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def restart(self) -> None:
        """Set the initial weights."""
        self.model.set_weights([array for layer in self.work.first_parameters() for array in layer])

    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Put the examples in order."""
        self.x, self.y = self.features[order.ravel()], self.labels[order.ravel()]

    def train(self) -> npt.NDArray[Any]:
        """Train for one epoch."""
        history = self.model.fit(self.x, self.y, batch_size=self.work.batch, shuffle=False, verbose=0)
        return np.asarray(history.history["loss"])

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Predict with the model's own method."""
        return np.asarray(self.model.predict(features, batch_size=1000, verbose=0).argmax(axis=1))

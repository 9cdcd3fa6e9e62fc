"""JAX, as in its example mnist_classifier_fromscratch, and with `lax.scan` over the steps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.base import ContestantError, Peer


class _Jax(Peer):
    def build(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Build a loss and an update of nested lists, and move the data to the device."""
        try:
            import jax
            import jax.numpy as jnp

            jax.config.update("jax_default_matmul_precision", "highest")  # no TF32, like the others
            self.place = jax.devices(self.device)[0]
        except (ImportError, RuntimeError) as error:
            raise ContestantError(str(error)) from error
        self.jax = jax
        self.features = jax.device_put(features, self.place)
        self.labels = jax.device_put(labels.astype(np.int32), self.place)
        activation = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[self.work.activation]
        learning_rate = self.work.learning_rate

        def logits(parameters: Any, x: Any) -> Any:
            for weights, biases in parameters[:-1]:
                x = activation(x @ weights + biases)
            weights, biases = parameters[-1]
            return x @ weights + biases

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits(parameters, x)), y[:, None], axis=1))

        def update(parameters: Any, rows: Any, features: Any, labels: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(parameters, features[rows], labels[rows])
            return jax.tree.map(lambda p, g: p - learning_rate * g, parameters, gradients), value

        self.update = update
        self.logits = jax.jit(logits)
        self.compile()

    @abstractmethod
    def compile(self) -> None:
        """Prepare the update."""

    def restart(self) -> None:
        """Move the initial weights to the device."""
        self.parameters = self.jax.device_put(self.work.first_parameters(), self.place)

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Predict in one batch."""
        return np.asarray(self.logits(self.parameters, self.jax.device_put(features, self.place)).argmax(1))


class JitPerStep(_Jax):
    """JAX, one compiled step called from a loop."""

    def compile(self) -> None:
        """Compile the step, which may overwrite the parameters."""
        self.step = self.jax.jit(self.update, donate_argnums=0)

    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Move each batch's row numbers to the device."""
        self.order = [self.jax.device_put(rows, self.place) for rows in order.astype(np.int32)]

    def train(self) -> npt.NDArray[Any]:
        """Train on the batches in a loop, without waiting before its end."""
        parameters, losses = self.parameters, []
        for rows in self.order:
            parameters, loss = self.step(parameters, rows, self.features, self.labels)
            losses.append(loss)
        self.parameters = parameters
        return np.asarray(self.jax.device_get(losses))


class ScanPerEpoch(_Jax):
    """JAX, all steps in one compiled program."""

    def compile(self) -> None:
        """Compile the loop."""
        jax, update = self.jax, self.update

        def epoch(parameters: Any, order: Any, features: Any, labels: Any) -> Any:
            return jax.lax.scan(lambda carry, rows: update(carry, rows, features, labels), parameters, order)

        self.epoch = jax.jit(epoch, donate_argnums=0)

    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Move the row numbers to the device."""
        self.order = self.jax.device_put(order.astype(np.int32), self.place)

    def train(self) -> npt.NDArray[Any]:
        """Train on all batches in one call."""
        self.parameters, losses = self.epoch(self.parameters, self.order, self.features, self.labels)
        return np.asarray(losses)

"""PyTorch with its autograd and optimiser, as in its tutorial "Optimizing Model Parameters".

The data are tensors on the device, and batches are taken by index: a DataLoader, which stacks single examples, takes
several times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.contestants.base import ContestantError, Peer


class Eager(Peer):
    """PyTorch, operation by operation."""

    def build(self, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
        """Build a Sequential model of Linear layers, and SGD."""
        try:
            import torch
            from torch import nn
        except ImportError as error:
            raise ContestantError(str(error)) from error
        if self.device == "gpu" and not torch.cuda.is_available():
            raise ContestantError("PyTorch finds no GPU")
        self.torch = torch
        self.place = torch.device("cuda" if self.device == "gpu" else "cpu")
        self.features = torch.from_numpy(features).to(self.place)
        self.labels = torch.from_numpy(labels).to(self.place)
        activation = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}[self.work.activation]
        layers: list[Any] = []
        for n_in, n_out in zip(self.work.sizes, self.work.sizes[1:], strict=False):
            layers += [nn.Linear(n_in, n_out), activation()]
        self.model = nn.Sequential(*layers[:-1]).to(self.place)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.work.learning_rate)
        self.step = self.compiled(self.plain_step)

    def plain_step(self, x: Any, y: Any) -> Any:
        """Train for one step, and return the loss before it."""
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return the step unchanged."""
        return step

    def restart(self) -> None:
        """Copy the initial weights, which PyTorch stores transposed."""
        linear = list(self.model)[::2]
        with self.torch.no_grad():
            for layer, (weights, biases) in zip(linear, self.work.first_parameters(), strict=True):
                layer.weight.copy_(self.torch.from_numpy(weights.T))
                layer.bias.copy_(self.torch.from_numpy(biases))

    def arrange(self, order: npt.NDArray[np.int64]) -> None:
        """Move the row numbers to the device."""
        self.order = self.torch.from_numpy(order).to(self.place)

    def train(self) -> npt.NDArray[Any]:
        """Train on the batches in a loop; the losses are read once, at its end."""
        losses = [self.step(self.features[rows], self.labels[rows]) for rows in self.order]
        return np.asarray(self.torch.stack(losses).cpu())

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Predict in one batch."""
        with self.torch.no_grad():
            return np.asarray(self.model(self.torch.from_numpy(features).to(self.place)).argmax(1).cpu())


class Compiled(Eager):
    """PyTorch with the whole step compiled, as in its "Introduction to torch.compile"."""

    def compiled(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Compile the step for its one batch shape."""
        self.torch._dynamo.reset()
        try:
            compiled: Callable[..., Any] = self.torch.compile(step, dynamic=False)
            compiled(self.features[: self.work.batch], self.labels[: self.work.batch])
        except Exception as error:  # a compiler's own: there are many kinds
            raise ContestantError(f"torch.compile: {str(error).splitlines()[0]}") from error
        return compiled

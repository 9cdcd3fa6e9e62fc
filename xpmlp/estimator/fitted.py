"""Fitted estimators: their weights on any device, prediction, and files."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from array_api_compat import array_namespace
from sklearn.utils.validation import check_is_fitted

from xpmlp._paths import given_path
from xpmlp._tree import map_leaves
from xpmlp._typing import Array, DenseParameters, Parameters
from xpmlp.backend import HOST, Backend, residence_of
from xpmlp.errors import BackendError
from xpmlp.estimator.conversion import from_sklearn, to_sklearn
from xpmlp.estimator.inputs import check_features, dtype_name
from xpmlp.estimator.parameters import MLPParameters
from xpmlp.estimator.places import backend_at, placed, to_host
from xpmlp.estimator.samples import inference_of, to_engine
from xpmlp.estimator.saving import load_estimator, save_estimator, saved_network_of
from xpmlp.nn import Network, Ops, Widths, losses, mlp
from xpmlp.training.inference import BATCH

OUT_ACTIVATIONS = {name: loss.out_activation for name, loss in losses.items()}
"""scikit-learn's name of the output function of each of the core's losses."""

LOSS_OF_OUTPUT = {loss.out_activation: loss for loss in reversed(list(losses.values()))}
"""The first loss of each output function."""


@dataclass(eq=False, repr=False)
class FittedMLP(MLPParameters):
    """The weights of an estimator: predicting with them, moving, saving and pickling them."""

    def _network(self) -> Network:
        """Build the network of the fitted weights, even if the parameters now describe other layers."""
        n_hidden = len(self.coefs_) - 1
        rates = self._dropouts(n_hidden)
        loss = LOSS_OF_OUTPUT[self.out_activation_]
        n_in, *units = [self.coefs_[0].shape[0], *(weights.shape[1] for weights in self.coefs_)]
        return Network(mlp(units, self._activations(n_hidden), rates), Widths(n_in), loss)

    def _keep(self, parameters: Parameters, engine: Backend) -> None:
        """Replace the fitted weights, keeping their residence."""
        self._set_weights(parameters, backend_at(*residence_of(self.coefs_[0]), engine.dtype_name))

    def _set_weights(self, parameters: Parameters, home: Backend) -> None:
        self.coefs_ = [placed(layer.weights, home) for layer in parameters]
        self.intercepts_ = [placed(layer.biases[0, :], home) for layer in parameters]

    def _engine(self) -> Backend:
        """Return the backend to compute with: that of the weights, unless ``backend`` or ``device`` is set."""
        residence = residence_of(self.coefs_[0])
        name = self.backend or residence.backend
        device = self.device or (residence.device if name == residence.backend else None)
        return backend_at(name, device, self.dtype or dtype_name(self.coefs_[0]))

    def _parameters(self) -> Parameters:
        """Return the fitted weights in the core's form."""
        xp = array_namespace(self.coefs_[0])
        biases = [xp.reshape(intercept, (1, -1)) for intercept in self.intercepts_]
        return [DenseParameters(*layer) for layer in zip(self.coefs_, biases, strict=True)]

    def _raw_predictions(self, X: Any, method: str, of: Callable[[Ops, Array], Array] | None = None) -> Array:
        """Compute the network's output (n, n_outputs) where the estimator was fitted: probabilities or values.

        With ``of``, that function of the logits instead.
        """
        check_is_fitted(self)
        features, residence = check_features(self, X, method=method, fitted=self.coefs_[0])
        engine = self._engine()
        with engine.session(BATCH):
            parameters = [DenseParameters(*(placed(leaf, engine) for leaf in layer)) for layer in self._parameters()]
            network = self._network()
            if of is not None:
                network = network._replace(loss=losses["squared"])  # its outputs are the logits
            raw = inference_of(network, engine).outputs(parameters, to_engine(features, engine))
            return placed(raw if of is None else of(engine.ops, raw), backend_at(*residence, engine.dtype_name))

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to a file (safetensors with JSON) atomically; callbacks are left out.

        Raises
        ------
        ValueError
            If a parameter cannot be written, such as a random generator.
        OSError
            If the folder is missing or cannot be written to.
        """
        check_is_fitted(self)
        save_estimator(self, given_path(path))

    @classmethod
    def load(cls, path: str | Path, *, backend: str | None = None, device: str | None = None) -> Self:
        """Read an estimator written by `save`.

        Parameters
        ----------
        path : path
        backend, device : str, optional
            Where to put its arrays; by default where they were.

        Raises
        ------
        DataError
            If the file is missing or damaged, or holds another class.
        BackendError
            If the backend or the device is not available.
        """
        estimator: Self
        estimator, home = load_estimator(cls, given_path(path))
        estimator._move_to(*(home if backend is None and device is None else (backend or home[0], device)))
        return estimator

    def to_onnx(self, path: str | Path) -> None:
        """Write the network as an ONNX model, from features to labels and probabilities, or values.

        Raises
        ------
        BackendError
            If onnx is not installed.
        ValueError
            If the classes are of a type that ONNX lacks.
        OSError
            If the folder is missing or cannot be written to.
        """
        from xpmlp.export.onnx_model import write_onnx

        check_is_fitted(self)
        write_onnx(given_path(path), saved_network_of(self))

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """Convert a fitted scikit-learn estimator, with its parameters and weights."""
        ours: Self = from_sklearn(cls, estimator)
        return ours

    def to_sklearn(self) -> Any:
        """Convert to a scikit-learn estimator, with the parameters, and the weights as NumPy arrays."""
        check_is_fitted(self)
        return to_sklearn(self)

    def _move_to(self, backend: str, device: str | None) -> None:
        """Move the fitted arrays."""
        home = backend_at(backend, device, dtype_name(self.coefs_[0]))
        for name in ("coefs_", "intercepts_"):
            setattr(self, name, [placed(array, home) for array in getattr(self, name)])

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle, with all arrays converted to NumPy and a note of their residence."""
        state = dict(super().__getstate__())
        if "coefs_" in state:
            state["_pickled_at"] = residence_of(self.coefs_[0])
            for name in ("coefs_", "intercepts_"):
                state[name] = [to_host(array) for array in state[name]]
            if "classes_" in state:
                state["classes_"] = to_host(state["classes_"])
            state["_memory"] = replace(self._memory, state=map_leaves(to_host, self._memory.state))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from pickle, moving the arrays back; if that is impossible, they stay NumPy's, with a warning."""
        residence = state.pop("_pickled_at", HOST)
        super().__setstate__(state)
        if residence == HOST:
            return
        try:
            self._move_to(*residence)
        except BackendError as error:
            warnings.warn(f"{error} The estimator's arrays are NumPy's now.", stacklevel=2)

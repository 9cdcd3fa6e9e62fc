"""Fitted estimators for tables: their network, its predictions, and their files."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from xpmlp._files import write_text
from xpmlp._paths import given_path
from xpmlp.data.tables import Frame
from xpmlp.errors import DataError
from xpmlp.estimator.saving import decoded, encoded
from xpmlp.estimator.table_encoder import TableEncoder
from xpmlp.estimator.tables import TableInput, as_value_errors, given_frame
from xpmlp.estimator.tabular_parameters import TabularParameters
from xpmlp.export.onnx_model import write_onnx
from xpmlp.storage import SavedNetwork, load_network, save_network
from xpmlp.training.table_prediction import TablePredictor, table_model
from xpmlp.training.trainer import resolve_configured

_PARAMETERS, _NETWORK = "estimator.json", "network.safetensors"


class FittedTabular(TableInput, TabularParameters):
    """The network of an estimator for tables: predicting with it, saving and pickling it."""

    encoder_: TableEncoder
    network_: SavedNetwork
    oof_prediction_: npt.NDArray[np.float64]
    _predictors: dict[str, TablePredictor]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle and copies, without the predictors on devices."""
        state: dict[str, Any] = super().__getstate__()
        return {**state, "_predictors": {}} if "_predictors" in state else state

    def _predictor(self) -> TablePredictor:
        """Build a predictor of the network on its backend."""
        place = self._config(0).backend
        if place.name == "numpy":  # so that rounding does not make a row's prediction depend on its neighbours
            place = place.model_copy(update={"dtype": "float64"})
        model = table_model(self.network_)
        assert model is not None
        return TablePredictor(resolve_configured(place).backend, self.network_, model)

    def _outputs(self, frame: Frame) -> npt.NDArray[np.float64]:
        """Predict probabilities, or values.

        The predictor is cached for the next call, and taken out while in use, since another thread needs its own.
        """
        where = repr((self.backend, self.device, self.dtype, self.recipe, self.settings))
        predict = self._predictors.pop(where, None) or self._predictor()
        with predict.session(frame.data.height):
            outputs, _ = predict(frame.data)
        self._predictors[where] = predict
        said: npt.NDArray[np.float64] = outputs.astype(np.float64)
        if not np.isfinite(said).all():
            raise ValueError("the network's outputs are not finite: its weights have diverged; try lower rates")
        return self._shaped(said)

    @abstractmethod
    def _shaped(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Convert the network's outputs (n, n_out) to the shape of predictions."""

    def _encoder(self) -> TableEncoder:
        """Return the network's encoding as a transformer."""
        model = table_model(self.network_)
        assert model is not None
        encoder = TableEncoder()
        encoder.encoding_, encoder.schema_ = model.encoding, model.encoding.table_schema
        encoder.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            encoder.feature_names_in_ = self.feature_names_in_
        return encoder

    def _decided_network(self) -> SavedNetwork:
        """Return the network, for a classifier with the rule of its present ``threshold``."""
        return self.network_

    def save(self, path: str | Path) -> None:
        """Save the fitted estimator in a folder: JSON and safetensors, nothing pickled.

        Raises
        ------
        ValueError
            If a parameter cannot be written, such as a random generator.
        """
        check_is_fitted(self, "network_")
        parameters = {name: encoded(name, value) for name, value in self.get_params().items()}
        text = json.dumps({"class": type(self).__name__, "parameters": parameters, **self._facts()})
        folder, network = given_path(path), self._decided_network()
        folder.mkdir(parents=True, exist_ok=True)
        save_network(folder / _NETWORK, network)
        write_text(folder / _PARAMETERS, text)

    def to_onnx(self, path: str | Path) -> None:
        """Write the network as an ONNX model, from raw columns to labels and probabilities, or values.

        Raises
        ------
        NotExportableError
            If a text column has hashed words.
        BackendError
            If onnx is not installed.
        OSError
            If the folder is missing or cannot be written to.
        """
        check_is_fitted(self, "network_")
        write_onnx(given_path(path), self._decided_network())

    def _facts(self) -> dict[str, Any]:
        names = getattr(self, "feature_names_in_", None)
        return {
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else [str(name) for name in names],
        }

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load an estimator saved by `save`.

        Raises
        ------
        DataError
            If the folder holds no estimator of this class.
        """
        folder = given_path(path)
        try:
            facts = json.loads((folder / _PARAMETERS).read_text(encoding="utf-8"))
            if facts["class"] != cls.__name__:
                raise DataError(f"{folder} holds a {facts['class']}, and no {cls.__name__}")
            estimator = cls(**{name: decoded(value) for name, value in facts["parameters"].items()})
            estimator.network_ = load_network(folder / _NETWORK)
            estimator.n_features_in_ = int(facts["n_features_in"])
            if facts["feature_names_in"] is not None:
                estimator.feature_names_in_ = np.asarray(facts["feature_names_in"], dtype=object)
            estimator._restore(facts)
            estimator.encoder_ = estimator._encoder()
            estimator._predictors = {}
        except NotADirectoryError:
            raise DataError(f"{folder} is a file, and {cls.__name__} saves folders: load it as what it is") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} holds no estimator that xpmlp has saved ({error})") from None
        return estimator

    def _restore(self, facts: Mapping[str, Any]) -> None:
        """Restore the subclass's own entries of `_facts`."""

    def _predicted(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self, "network_")
        frame = given_frame(self, X, reset=False)
        with as_value_errors():
            return self._outputs(frame)

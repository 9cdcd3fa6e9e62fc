"""Fitted estimators for tables: their network, predictions with it, and their files."""

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
from xpmlp.estimator.table_encoder import TableEncoder
from xpmlp.estimator.tables import TableInput, as_value_errors, given_frame
from xpmlp.estimator.tabular_parameters import TabularParameters
from xpmlp.export.onnx_model import write_onnx
from xpmlp.storage import SavedNetwork, load_network, save_network
from xpmlp.training.table_prediction import TablePredictor, table_model
from xpmlp.training.trainer import resolve_configured

_PARAMETERS, _NETWORK = "estimator.json", "network.safetensors"


class FittedTabular(TableInput, TabularParameters):
    """The network of an estimator for tables, to predict with, to save and to pickle."""

    encoder_: TableEncoder
    network_: SavedNetwork
    oof_prediction_: npt.NDArray[np.float64]
    _predictors: dict[str, TablePredictor]

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies, without what is on a device."""
        state: dict[str, Any] = super().__getstate__()
        return {**state, "_predictors": {}} if "_predictors" in state else state

    def _predictor(self) -> TablePredictor:
        """The network where it computes."""
        place = self._config(0).backend
        if place.name == "numpy":  # so that a row's prediction does not depend on those beside it by rounding
            place = place.model_copy(update={"dtype": "float64"})
        model = table_model(self.network_)
        assert model is not None
        return TablePredictor(resolve_configured(place).backend, self.network_, model)

    def _outputs(self, frame: Frame) -> npt.NDArray[np.float64]:
        """Predict probabilities, or values.

        The predictor is kept for the next call, and taken out while it is used, as another thread needs one of its own.
        """
        where = repr((self.backend, self.device, self.dtype, self.recipe, self.settings))
        predict = self._predictors.pop(where, None) or self._predictor()
        with predict.session():
            outputs, _ = predict(frame.data)
        self._predictors[where] = predict
        said: npt.NDArray[np.float64] = outputs.astype(np.float64)
        if not np.isfinite(said).all():
            raise ValueError("the network's outputs are not finite: its weights have diverged; try lower rates")
        return self._shaped(said)

    @abstractmethod
    def _shaped(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The network's outputs (n, n_out), as predictions are shown."""

    def _encoder(self) -> TableEncoder:
        """The network's encoding, as a transformer."""
        model = table_model(self.network_)
        assert model is not None
        encoder = TableEncoder()
        encoder.encoding_, encoder.schema_ = model.encoding, model.encoding.table_schema
        encoder.n_features_in_ = self.n_features_in_
        if hasattr(self, "feature_names_in_"):
            encoder.feature_names_in_ = self.feature_names_in_
        return encoder

    def save(self, path: str | Path) -> None:
        """Save the fitted estimator in a folder: JSON and safetensors, nothing pickled.

        Raises
        ------
        ValueError
            If a parameter cannot be written as JSON.
        """
        check_is_fitted(self, "network_")
        folder = given_path(path)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            text = json.dumps({"class": type(self).__name__, "parameters": self.get_params(), **self._facts()})
        except TypeError as error:
            raise ValueError(f"a parameter cannot be saved ({error}); give random_state as a whole number") from None
        save_network(folder / _NETWORK, self.network_)
        write_text(folder / _PARAMETERS, text)

    def to_onnx(self, path: str | Path) -> None:
        """Write the network as an ONNX model, from raw columns to labels and probabilities, or values.

        Raises
        ------
        NotExportableError
            If a text column has words that are hashed.
        BackendError
            If onnx is not installed.
        OSError
            If the folder is missing or cannot be written to.
        """
        check_is_fitted(self, "network_")
        write_onnx(given_path(path), self.network_)

    def _facts(self) -> dict[str, Any]:
        names = getattr(self, "feature_names_in_", None)
        return {
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else [str(name) for name in names],
        }

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load an estimator that `save` has written.

        Raises
        ------
        DataError
            If there is none of this class.
        """
        folder = given_path(path)
        try:
            facts = json.loads((folder / _PARAMETERS).read_text(encoding="utf-8"))
            if facts["class"] != cls.__name__:
                raise DataError(f"{folder} holds a {facts['class']}, and no {cls.__name__}")
            estimator = cls(**facts["parameters"])
            estimator.network_ = load_network(folder / _NETWORK)
            estimator.n_features_in_ = int(facts["n_features_in"])
            if facts["feature_names_in"] is not None:
                estimator.feature_names_in_ = np.asarray(facts["feature_names_in"], dtype=object)
            estimator._restore(facts)
            estimator.encoder_ = estimator._encoder()
            estimator._predictors = {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} holds no estimator that xpmlp has saved ({error})") from None
        return estimator

    def _restore(self, facts: Mapping[str, Any]) -> None:
        """Take what `_facts` has saved besides."""

    def _predicted(self, X: Any) -> npt.NDArray[np.float64]:
        check_is_fitted(self, "network_")
        frame = given_frame(self, X, reset=False)
        with as_value_errors():
            return self._outputs(frame)

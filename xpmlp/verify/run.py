"""`verify`: one trial on every backend, compared with the reference and with the other backends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from xpmlp.backend import Backend, DTypeName
from xpmlp.config import Config, admit_code, outside_names
from xpmlp.data import Dataset
from xpmlp.errors import BackendError, ConfigError, DivergenceError
from xpmlp.training.configured import ConfigTrainable
from xpmlp.training.trainer import load_data
from xpmlp.verify.candidates import Candidate
from xpmlp.verify.comparison import REFERENCE, Difference, compare, first_failure
from xpmlp.verify.layered import by_layer
from xpmlp.verify.quantities import relative_difference
from xpmlp.verify.recording import TrialRecord, record, record_reference
from xpmlp.verify.reference import finite_difference_errors
from xpmlp.verify.tolerances import FINITE_DIFFERENCES, PRODUCTS
from xpmlp.verify.trial import Trial, make_trial

DTYPES: tuple[DTypeName, ...] = ("float64", "float32")

MOST_STEPS = 100_000
"""Maximum number of steps: more would take memory and hours, and rounding errors exceed any tolerance by then."""


@dataclass(frozen=True)
class Participant:
    """Backend in one dtype, with findings besides its differences.

    Attributes
    ----------
    label : str
        In the user's notation.
    dtype : "float32" or "float64"
    name, version, device : str
    tf32 : bool
        Whether the config allows it to round products to TF32: in float32, and on a GPU.
    product_error : float
        The measured relative error of a matrix product.
    repeatable : bool
        Whether two runs gave the same bits.
    """

    label: str
    dtype: DTypeName
    name: str
    version: str
    device: str
    tf32: bool
    product_error: float
    repeatable: bool

    @property
    def full_products(self) -> bool:
        """Whether matrix products have the precision of the dtype, rather than of TF32 or the like."""
        return self.product_error <= PRODUCTS[self.dtype]


@dataclass(frozen=True)
class DifferenceCurve:
    """Differences of a backend from its base by step.

    Attributes
    ----------
    label, base : str
    dtype : "float32" or "float64"
    loss : list of float
        Relative difference of the losses of each step's batch.
    weights : dict of float
        Largest relative difference over all layers, by the number of steps done.
    """

    label: str
    base: str
    dtype: DTypeName
    loss: list[float]
    weights: dict[int, float]


@dataclass
class Verification:
    """Findings of a verification.

    Attributes
    ----------
    trial : Trial
    finite_differences : list of tuple of float
        The error of the reference's gradients by each array of each layer.
    participants : list of Participant
    unsupported : list of (label, dtype, reason)
        Dtypes not supported by a backend or its device.
    differences : list of Difference
    curves : list of DifferenceCurve
    """

    trial: Trial
    finite_differences: list[tuple[float, ...]]
    participants: list[Participant] = field(default_factory=list)
    unsupported: list[tuple[str, DTypeName, str]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    curves: list[DifferenceCurve] = field(default_factory=list)

    @property
    def failure(self) -> str | None:
        """A sentence on the first failure, or ``None``."""
        for name, errors in zip(self.trial.names, self.finite_differences, strict=False):
            error = float(np.max(errors))
            if not error <= FINITE_DIFFERENCES:
                return (
                    f"the reference's gradients of layer {name.label} differ from finite differences of its loss by "
                    f"{error:.1e} where {FINITE_DIFFERENCES:.1e} is allowed: the reference itself is wrong."
                )
        return first_failure(self.differences)


def verify(
    config: Config,
    candidates: Sequence[Candidate],
    *,
    steps: int = 100,
    dtype: DTypeName | None = None,
    reference: bool = False,
    allow_code: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Verification:
    """Train for a few steps on every backend with the same weights and batches, and compare the results.

    Parameters
    ----------
    config : Config
        The training; its ``[backend]`` supplies the settings not given by ``candidates``.
    candidates : sequence of Candidate
        From `parse_candidates`.  Each is compared with the reference, and the others with the first.
    steps : int
        At least 1, at most `MOST_STEPS`.
    dtype : "float32" or "float64", optional
        By default both.
    reference : bool
        Leave out the comparison with the first backend, and take the reference as the base of the curves; this is also
        done if there is only one backend.
    allow_code : bool
        Import the external records that the config names as ``module:object``.
    tell : (line) -> None
        Called with lines on the progress.

    Returns
    -------
    verification : Verification

    Raises
    ------
    ConfigError
        If the config has a grid of runs, there are no steps or too many, or the config names code that is not allowed
        or unknown to the reference.
    BackendError
        If a backend, its device or the requested dtype is not available.
    DataError
        If the data set cannot be read.
    DivergenceError
        If there is nothing finite to compare.
    """
    if not 1 <= steps <= MOST_STEPS:
        raise ConfigError(f"{steps} steps cannot be compared: train at least 1, and at most {MOST_STEPS:,}.")
    if config.grid.is_grid:
        raise ConfigError("the config has a [grid] of several runs: verify takes a config of one.")
    for candidate in candidates:
        admit_code(candidate.named_in(config), allow_code=allow_code)
    _check_reference(config)
    config = config.replaced(model={"dropout_schedule": "constant"})  # a few steps, with full dropout
    backends, unsupported = _resolve(config, candidates, dtype)
    dataset = load_data(config)
    trial = make_trial(ConfigTrainable(config, dataset, next(iter(backends.values()))), steps)
    tell(f"the reference, {steps} steps")
    expected = _reference(trial)
    errors = finite_difference_errors(trial.reference_network, by_layer(trial.start), trial.reference_batch(1))
    result = Verification(trial, errors, unsupported=unsupported)
    bases: dict[DTypeName, tuple[str, TrialRecord]] = {}
    if reference or len(candidates) == 1:
        bases = dict.fromkeys(DTYPES, (REFERENCE, expected))
    for (candidate, kind), backend in backends.items():
        tell(f"{candidate.label}, {kind}")
        recording = _take_part(result, dataset, candidate, backend)
        result.differences += compare(trial, kind, candidate.label, recording, REFERENCE, expected)
        label, base = bases.setdefault(kind, (candidate.label, recording))
        if base is not recording:
            if label != REFERENCE:
                result.differences += compare(trial, kind, candidate.label, recording, label, base)
            result.curves.append(_curve(candidate.label, kind, recording, label, base))
    return result


def _check_reference(config: Config) -> None:
    known = ("loss", "optimizer") if config.model.layers else ("activation", "loss", "optimizer")
    for key, table, name in outside_names(config):
        if table.kind in known:
            raise ConfigError(f'{key} = "{name}" is not in the reference, so that there is nothing to compare it with.')


def _resolve(
    config: Config, candidates: Sequence[Candidate], dtype: DTypeName | None
) -> tuple[dict[tuple[Candidate, DTypeName], Backend], list[tuple[str, DTypeName, str]]]:
    """Resolve every backend in each wanted dtype, float64 first; also return the unsupported dtypes."""
    found: dict[tuple[Candidate, DTypeName], Backend] = {}
    unsupported: list[tuple[str, DTypeName, str]] = []
    for candidate in candidates:
        single = candidate.resolve(config.backend, "float32")
        if dtype != "float64":
            found[candidate, "float32"] = single
        if dtype == "float32":
            continue
        try:
            found[candidate, "float64"] = candidate.resolve(config.backend, "float64")
        except BackendError as error:  # float32 is available: only the dtype is missing
            if dtype == "float64":
                raise BackendError(f"{candidate.label} has no float64: verify it with --dtype float32.") from error
            unsupported.append((candidate.label, "float64", str(error)))
    ordered = sorted(found.items(), key=lambda item: DTYPES.index(item[0][1]))
    return dict(ordered), unsupported


def _reference(trial: Trial) -> TrialRecord:
    with np.errstate(over="ignore", invalid="ignore"):
        recording = record_reference(trial)
    if not np.isfinite(recording.loss).all():
        step = int(np.argmin(np.isfinite(recording.loss).all(axis=1))) + 1
        raise DivergenceError(
            f"the loss stops being finite at step {step}, so that there is nothing to compare: take fewer --steps, "
            f"or a lower train.learning_rate (it is {trial.config.train.learning_rate:g})."
        )
    return recording


def _take_part(result: Verification, dataset: Dataset, candidate: Candidate, backend: Backend) -> TrialRecord:
    """Run the trial twice on a backend, add it to the participants, and return the recording."""
    trainable = ConfigTrainable(result.trial.config, dataset, backend)
    recording = record(trainable, result.trial)
    repeatable = recording.same_bits(record(trainable, result.trial))
    result.participants.append(
        Participant(
            candidate.label,
            backend.dtype_name,
            backend.name,
            backend.version,
            backend.device_name,
            backend.tf32 and backend.is_accelerator and backend.dtype_name == "float32",
            _product_error(backend),
            repeatable,
        )
    )
    return recording


def _product_error(backend: Backend) -> float:
    """Measure the relative error of a product of two square matrices: it reveals TF32, which keeps 10 bits of 23."""
    left, right = np.random.default_rng(0).uniform(-1, 1, (2, 256, 256)).astype(np.float32).astype(np.float64)
    with backend.session(256):
        product = backend.asarray(left, backend.dtype) @ backend.asarray(right, backend.dtype)
        return relative_difference(backend.to_numpy(product), left @ right)


def _curve(label: str, dtype: DTypeName, recording: TrialRecord, base: str, other: TrialRecord) -> DifferenceCurve:
    weights = {
        step: max(
            relative_difference(leaf, expected)
            for layer, wanted in zip(layers, other.parameters[step], strict=True)
            for leaf, expected in zip(layer, wanted, strict=True)
        )
        for step, layers in recording.parameters.items()
    }
    loss = [relative_difference(one, wanted) for one, wanted in zip(recording.loss, other.loss, strict=True)]
    return DifferenceCurve(label, base, dtype, loss, weights)

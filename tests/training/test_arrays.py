"""Data given as arrays of any library: taken where they are, checked, and trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np
import pytest
from scipy.sparse import csr_array

import xpmlp
from tests.helpers import CASES, Case, assert_lives_on, cases
from tests.networks import passes
from xpmlp import nn
from xpmlp.backend import Backend, resolve
from xpmlp.config import BackendConfig, Config, DataConfig, ModelConfig, OutputConfig, TrainConfig
from xpmlp.errors import BackendError, ConfigError, DataError, RunFolderError
from xpmlp.training.configured import ConfigTrainable

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 4))
Y = (X[:, 0] > X[:, 1]).astype(np.int64)


def config_on(backend: Backend, **train: Any) -> Config:
    named = {
        "strict": backend.device_name,
        "torch": str(backend.device),
        "jax": "gpu:0" if backend.is_accelerator else None,
    }
    device = {"CPU_DEVICE": "cpu"}.get(str(backend.device), named.get(backend.name))
    return Config(
        backend=BackendConfig(name=backend.name, device=device, dtype=backend.dtype_name),
        data=DataConfig(name="arrays"),
        model=ModelConfig(hidden_layer_sizes=[5]),
        train=TrainConfig(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.1, **train}),
        output=OutputConfig(plots=False),
    )


def trained(backend: Backend, data: Any) -> list[Any]:
    """Weights and biases on the host."""
    result = xpmlp.train(config_on(backend), data=data)
    for layer in result.parameters:
        for leaf in layer:
            assert_lives_on(leaf, backend)
    return [backend.to_numpy(leaf) for layer in result.parameters for leaf in layer]


def test_arrays_of_each_backend_train_on_it_as_numpys_do(backend: Backend) -> None:
    x, y = backend.asarray(X, backend.dtype), backend.asarray(Y, backend.index_dtype)
    given = xpmlp.from_arrays(x, y, validation=(x[:10, :], y[:10]))
    wanted = trained(backend, xpmlp.from_arrays(X, Y, validation=(X[:10], Y[:10])))
    for leaf, expected in zip(trained(backend, given), wanted, strict=True):
        np.testing.assert_array_equal(leaf, expected)


@pytest.mark.parametrize("backend", cases("numpy", "strict", "torch", "jax", "cupy", dtype="float32"), indirect=True)
def test_features_are_not_copied(backend: Backend) -> None:
    """An accelerator's array, and ``device1``'s, is kept itself; one in the host's memory is shared."""
    x, y = backend.asarray(X, backend.dtype), backend.asarray(Y, backend.index_dtype)
    problem = ConfigTrainable(config_on(backend), xpmlp.from_arrays(x, y), backend)
    kept = problem.dataset.train.features
    if backend.is_accelerator or backend.device_name in ("device1", "no_float64"):
        assert kept is x
        assert problem.train_examples.features is x
    else:
        assert isinstance(kept, np.ndarray)
        assert np.shares_memory(kept, np.from_dlpack(x))


@pytest.mark.parametrize("name", ["torch", "jax", "strict"])
def test_host_arrays_of_another_library_train_on_numpy(name: str, get_backend: Callable[..., Backend]) -> None:
    other, numpy = get_backend(name), resolve("numpy", None, "float32").backend
    dataset = xpmlp.from_arrays(other.asarray(X, other.dtype), other.asarray(Y, other.index_dtype))
    wanted = trained(numpy, xpmlp.from_arrays(X.astype("float32"), Y))
    for leaf, expected in zip(trained(numpy, dataset), wanted, strict=True):
        np.testing.assert_array_equal(leaf, expected)


def test_a_tensor_that_requires_a_gradient(get_backend: Callable[..., Backend]) -> None:
    torch = get_backend("torch").xp
    x = torch.asarray(X)
    x.requires_grad = True
    features = xpmlp.from_arrays(x, Y).train.features
    assert np.shares_memory(features, x.detach().numpy())


def read_only() -> Any:
    x = X.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[], Any]] = {
    "read-only": read_only,
    "column-major": lambda: np.asfortranarray(X),
    "strided": lambda: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda: X[::-1].copy()[::-1],
    "big-endian": lambda: X.astype(">f8"),
    "a list": lambda: X.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "strict"])
def test_any_layout(name: str, layout: Callable[[], Any], get_backend: Callable[..., Backend]) -> None:
    backend = get_backend(name, dtype="float64")
    wanted = trained(backend, xpmlp.from_arrays(X.copy(), Y))
    for leaf, expected in zip(trained(backend, xpmlp.from_arrays(layout(), Y)), wanted, strict=True):
        np.testing.assert_array_equal(leaf, expected)


@pytest.mark.parametrize("dtype", ["float16", "bool", "uint8", "int64"])
def test_any_type_of_number(dtype: str) -> None:
    features = xpmlp.from_arrays((4 * X).astype(dtype), Y).train.features
    assert features.dtype == ("uint8" if dtype == "bool" else dtype)
    assert np.isfinite(trained(resolve("numpy").backend, xpmlp.from_arrays((4 * X).astype(dtype), Y))[0]).all()


def test_a_type_that_numpy_has_not(get_backend: Callable[..., Backend]) -> None:
    torch = get_backend("torch").xp
    with pytest.raises(DataError, match=r"^x cannot become an array of NumPy's .*: convert it first\.$"):
        xpmlp.from_arrays(torch.asarray(X, dtype=torch.bfloat16), Y)


def test_images_are_flattened_and_scaled(backend: Backend) -> None:
    x = backend.asarray(np.arange(24, dtype=np.uint8).reshape(4, 2, 3))
    dataset = xpmlp.from_arrays(x, [0, 1, 0, 1], scale=0.5)
    assert dataset.image_shape == (2, 3)
    assert dataset.train.features.shape == (4, 6)
    assert dataset.preprocessing.scale == 0.5


@pytest.mark.parametrize("labels", [[False, True], [3, -2], ["no", "yes"], [1.0, 2.0]], ids=str)
def test_any_labels(labels: list[Any]) -> None:
    dataset = xpmlp.from_arrays(X, np.asarray(labels)[Y], validation=(X[:3], np.asarray(labels)[[1, 1, 0]]))
    assert dataset.classes.tolist() == sorted(labels)
    assert dataset.validation is not None
    np.testing.assert_array_equal(dataset.classes[dataset.train.targets], np.asarray(labels)[Y])
    np.testing.assert_array_equal(dataset.classes[dataset.validation.targets], np.asarray(labels)[[1, 1, 0]])


def test_values_to_predict(backend: Backend) -> None:
    x, y = (backend.asarray(array, backend.dtype) for array in (X, X @ np.eye(4, 2)))
    config = config_on(backend, epochs=40, learning_rate=0.05)
    config = Config(**{**dict(config), "model": ModelConfig(hidden_layer_sizes=[], loss="squared")})
    result = xpmlp.train(config, data=xpmlp.from_arrays(x, y, values=True, validation=(x, y)))
    assert result.run.epochs[-1].validation_loss < 1e-3 * result.run.epochs[0].validation_loss
    ((weights, _),) = result.parameters
    assert_lives_on(weights, backend)
    assert weights.shape == (4, 2)


def test_a_config_for_arrays_may_predict_values(tmp_path: Path) -> None:
    config = Config(
        data=DataConfig(name="arrays"),
        model=ModelConfig(hidden_layer_sizes=[], loss="squared"),
        train=TrainConfig(epochs=1),
        output=OutputConfig(plots=False),
    )
    xpmlp.train(config, tmp_path / "run", data=xpmlp.from_arrays(X, X @ np.eye(4, 2), values=True))
    assert xpmlp.predict(tmp_path / "run", X).outputs.shape == (len(X), 2)


def test_one_label_in_a_part_is_enough() -> None:
    dataset = xpmlp.from_arrays(X, Y, test=(X[:3], [1, 1, 1]))
    assert dataset.test is not None
    assert dataset.test.targets.tolist() == [1, 1, 1]


def nan_in(array: Any) -> Any:
    array = array.astype(float)
    array.flat[5] = np.nan
    return array


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "lengths": (lambda: xpmlp.from_arrays(X, Y[:-1]), "x, y: have 60 and 59 examples; each example needs a target."),
    "flat": (lambda: xpmlp.from_arrays(X[:, 0], Y), "x has the shape (60,); it needs (n, n_features) or (n, height"),
    "columns of labels": (lambda: xpmlp.from_arrays(X, X), "x, y: y has the shape (60, 4); it needs (n,), one label"),
    "sparse": (
        lambda: xpmlp.from_arrays(csr_array(X), Y),
        "x is of type csr_array and not an array: call its toarray().",
    ),
    "no array": (lambda: xpmlp.from_arrays({"a": X}, Y), "x is of type dict and not an array: make an array or a data"),
    "no labels": (lambda: xpmlp.from_arrays(X, iter(Y)), "y is of type iterator and not an array: make an array"),
    "names": (lambda: xpmlp.from_arrays(X.astype(str), Y), "x: features of type <U32 are not numbers"),
    "missing value": (lambda: xpmlp.from_arrays(nan_in(X), Y), "x: row 2, column 2 is missing (NaN)"),
    "masked value": (
        lambda: xpmlp.from_arrays(np.ma.masked_greater(X, 1), Y),
        "x has masked values: fill them in, or drop their rows.",
    ),
    "masked label": (lambda: xpmlp.from_arrays(X, np.ma.masked_equal(Y, 1)), "y has masked values"),
    "missing label": (lambda: xpmlp.from_arrays(X, nan_in(Y)), "y: the target of row 6 is missing or not finite"),
    "fraction": (lambda: xpmlp.from_arrays(X, 0 * Y + 0.5), "y: the target of row 1 is 0.5"),
    "one class": (lambda: xpmlp.from_arrays(X, 0 * Y), "y: all targets are 0; a classifier needs two classes"),
    "no rows": (lambda: xpmlp.from_arrays(X[:0], Y[:0]), "x: has no rows"),
    "another width": (
        lambda: xpmlp.from_arrays(X, Y, validation=(X[:, :2], Y)),
        "validation x has 2 features per example, but the training part has 4.",
    ),
    "names for values": (
        lambda: xpmlp.from_arrays(X, Y.astype(str), values=True),
        "y: targets of type <U21 are not values; leave out values=True for labels.",
    ),
    "missing among values": (lambda: xpmlp.from_arrays(X, nan_in(Y), values=True), "y: row 6, column 1 is missing"),
    "other columns of values": (
        lambda: xpmlp.from_arrays(X, X, values=True, test=(X, X[:, :2])),
        "test y has 2 columns, but the training part has another number.",
    ),
    "numbers and text": (
        lambda: xpmlp.from_arrays(X, np.asarray([2, 10])[Y], test=(X, np.asarray(["2", "10"])[Y])),
        "test y has labels of type <U2, but the training part's are of type int64: give both in the same type.",
    ),
    "one array of validation": (lambda: xpmlp.from_arrays(X, Y, validation=(X,)), "validation has 1 arrays; it needs"),
    "scale": (lambda: xpmlp.from_arrays(X, Y, scale=float("nan")), "scale = nan has to be a finite number"),
    "no values": (lambda: xpmlp.from_arrays(X, X[:, :0], values=True), "y: has no columns of targets."),
    "another label": (
        lambda: xpmlp.from_arrays(X, Y, test=(X, Y + 1)),
        "test y has the label 2, which no training example has.",
    ),
}


@pytest.mark.parametrize(("call", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        call()
    found = str(caught.value)
    assert found.startswith(sentence)
    assert "\n" not in found


DEVICE_MISTAKES: dict[str, tuple[Any, Any, str]] = {
    "missing value": (nan_in(X), Y, "x: has a value that is missing (NaN) or infinite"),
    "lengths": (X, Y[:-1], "x, y: have 60 and 59 examples"),
    "no rows": (X[:0], Y[:0], "x: has the shape (0, 4)"),
    "flat": (X[:, 0], Y, "x has the shape (60,)"),
    "complex": (X + 1j, Y, "x: features of type array_api_strict.complex128 are not numbers"),
}


@pytest.mark.parametrize(("x", "y", "sentence"), DEVICE_MISTAKES.values(), ids=DEVICE_MISTAKES)
def test_a_mistake_in_an_accelerators_array(x: Any, y: Any, sentence: str, get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("strict", "device1", "float64")
    with pytest.raises(DataError) as caught:
        xpmlp.from_arrays(backend.asarray(x), backend.asarray(y))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "strict"])
def test_an_accelerators_array_is_not_moved_silently(name: str, get_backend: Callable[..., Backend]) -> None:
    there, here = get_backend("strict", "device1"), get_backend(name)
    dataset = xpmlp.from_arrays(there.asarray(X, there.dtype), Y)
    with pytest.raises(BackendError, match=rf"the data are strict on device1, but backend {name} computes on .*cpu"):
        xpmlp.train(config_on(here), data=dataset)


def test_only_reals_change_their_type_on_an_accelerator(get_backend: Callable[..., Backend]) -> None:
    backend = get_backend("strict", "device1", "float64")
    for dtype, expected in (("float32", "float64"), ("uint8", "uint8"), ("bool", "bool")):
        adopted = backend.adopt(backend.asarray(np.ones(2, dtype=dtype)))
        assert_lives_on(adopted, backend)
        assert adopted.dtype == getattr(backend.xp, expected)


def test_the_config_and_the_call_have_to_agree(tmp_path: Path) -> None:
    backend = resolve("numpy").backend
    with pytest.raises(DataError, match=r"xpmlp.train\(config, data=xpmlp.from_arrays\(x, y\)\)"):
        xpmlp.train(config_on(backend))
    given: Any = (X, Y)
    with pytest.raises(ConfigError, match=r"data has to be a Dataset, and not a tuple: use xpmlp.from_arrays\."):
        xpmlp.train(config_on(backend), data=given)
    path: Any = "a.toml"
    with pytest.raises(ConfigError, match=r"a Config is needed, and not a str: use xpmlp.load_config\."):
        xpmlp.train(path)
    with pytest.raises(RunFolderError, match="nothing to resume or overwrite without a run folder"):
        xpmlp.train(config_on(backend), data=xpmlp.from_arrays(X, Y), overwrite=True)
    digits = config_on(backend).model_copy(update={"data": DataConfig(name="digits")})
    with pytest.raises(ConfigError, match=r'data.name = "digits", but the data were given: set it to "arrays"\.'):
        xpmlp.train(digits, data=xpmlp.from_arrays(X, Y))


def test_what_was_trained_predicts_but_has_no_data_to_evaluate(tmp_path: Path) -> None:
    names = np.asarray(["no", "yes"])
    config = config_on(resolve("numpy").backend, epochs=30)
    xpmlp.train(config, tmp_path / "run", data=xpmlp.from_arrays(X, names[Y], validation=(X, names[Y])))
    decided, _, _ = xpmlp.predict(tmp_path / "run", X)
    assert np.mean(decided == names[Y]) > 0.8
    with pytest.raises(DataError, match="are saved nowhere"):
        xpmlp.evaluate(tmp_path / "run")


@pytest.mark.parametrize("case", [case for case in CASES if case.name in ("torch", "jax", "strict")], ids=str)
def test_predict_takes_any_librarys_host_arrays(
    case: Case, get_backend: Callable[..., Backend], tmp_path: Path
) -> None:
    backend = get_backend(*case)
    xpmlp.train(config_on(resolve("numpy").backend), tmp_path / "run", data=xpmlp.from_arrays(X, Y))
    features = backend.asarray(X, backend.dtype)
    if backend.device_name != "cpu":
        with pytest.raises(DataError, match=r"features is an array of .*; this needs one in the host's memory"):
            xpmlp.predict(tmp_path / "run", features)
        return
    _, wanted, _ = xpmlp.predict(tmp_path / "run", X.astype(backend.dtype_name))
    _, outputs, _ = xpmlp.predict(tmp_path / "run", features)
    np.testing.assert_array_equal(outputs, wanted)


def test_the_network_by_itself_takes_arrays_of_any_library(backend: Backend) -> None:
    """Nothing of `xpmlp.backend` but the arrays."""
    x, weights, targets = (backend.asarray(a, backend.dtype) for a in (X[:3], X[:4].T[:, :2], np.eye(3, 2)))
    ops = nn.pure_ops(array_api_compat.array_namespace(x))
    layer = nn.DenseParameters(weights, backend.asarray(np.zeros((1, 2)), backend.dtype))
    done = passes(ops, [layer], x, [], lambda logits: nn.cross_entropy(ops, logits, targets)[1])
    loss, _ = nn.cross_entropy(ops, done.activations[-1], targets)
    for array in (*done.activations, loss, *done.deltas):
        assert_lives_on(array, backend)
        assert array.dtype == backend.dtype


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["torch", "cupy"])
@pytest.mark.parametrize("other", ["torch", "cupy", "jax"])
def test_an_array_on_the_gpu_stays_there(name: str, other: str, get_backend: Callable[..., Backend]) -> None:
    there = get_backend(name, "cuda:0")
    here = get_backend(other, "gpu:0" if other == "jax" else "cuda:0")
    x = there.asarray(X, there.dtype)
    features = xpmlp.from_arrays(x, there.asarray(Y)).train.features
    assert features is x
    adopted = here.adopt(features)
    assert_lives_on(adopted, here)
    assert address(adopted) == address(x)


def address(array: Any) -> int:
    """Where on the GPU an array begins."""
    if array_api_compat.is_cupy_array(array):
        return int(array.data.ptr)
    return int(array.data_ptr() if array_api_compat.is_torch_array(array) else array.unsafe_buffer_pointer())


@pytest.mark.parametrize("key", [{"patience": 3}, {"best_by": "error"}, {"calibrate": True}])
def test_without_examples_to_judge_by_there_is_no_best_epoch(key: dict[str, Any]) -> None:
    config = config_on(resolve("numpy").backend).replaced(train=key)
    with pytest.raises(ConfigError, match=rf"train\.{next(iter(key))} needs examples to judge by"):
        xpmlp.train(config, data=xpmlp.from_arrays(X, Y))


def test_a_loss_of_classes_is_not_for_values() -> None:
    config = config_on(resolve("numpy").backend).replaced(model={"loss": "cross_entropy"})
    with pytest.raises(DataError, match=r'model\.loss = "cross_entropy" is for classes, and the targets are values'):
        xpmlp.train(config, data=xpmlp.from_arrays(X, X[:, :1], values=True))

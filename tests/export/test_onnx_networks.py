"""Networks in ONNX: onnxruntime gives NumPy's numbers for every layer, activation, loss, vote and decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.exported import expected, networks, random_inputs, random_network
from xpmlp.data import Preprocessing
from xpmlp.errors import XpmlpError
from xpmlp.export import graph, onnx_layers, onnx_model, torch_code
from xpmlp.export.onnx_model import TRANSFORMS, onnx_bytes
from xpmlp.export.tree import KINDS
from xpmlp.nn import LayerSpec, Network, activations, losses
from xpmlp.nn.layer import Widths
from xpmlp.storage import SavedNetwork
from xpmlp.training.decision import Decision

onnx = pytest.importorskip("onnx", reason="needs onnx, of the extra onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

CHAIN: dict[str, Any] = {
    "kind": "chain",
    "layers": [
        {"kind": "dense", "units": 5},
        {"kind": "activation", "name": "tanh"},
        {"kind": "dense", "units": 3},
    ],
}


def computed(saved: SavedNetwork, **inputs: npt.NDArray[Any] | None) -> dict[str, npt.NDArray[Any]]:
    """The outputs of onnxruntime for some inputs, by the names of the outputs."""
    session = onnxruntime.InferenceSession(onnx_bytes(saved), providers=["CPUExecutionProvider"])
    given = {
        name: array.astype(np.int64) if name == "codes" else array
        for name, array in inputs.items()
        if array is not None
    }
    return dict(zip([one.name for one in session.get_outputs()], session.run(None, given), strict=True))


def test_each_table_has_all_there_is() -> None:
    assert KINDS == set(onnx_layers.LAYERS) == set(torch_code.LAYERS)
    assert set(activations) == set(onnx_layers.ACTIVATIONS) == set(torch_code.ACTIVATIONS)
    assert {loss.out_activation for loss in losses.values()} == set(TRANSFORMS) == set(torch_code.TRANSFORMS)


ALL = dict(networks())


@pytest.mark.parametrize("name", ALL)
def test_every_layer_activation_and_loss_gives_numpys_outputs(name: str) -> None:
    saved = ALL[name]
    numbers, codes = random_inputs(saved.network.widths)
    found = list(computed(saved, features=numbers, codes=codes).values())[-1]
    wanted = expected(saved, numbers, codes)
    if found.shape[1] == 2 * wanted.shape[1]:
        wanted = np.concatenate([1 - wanted, wanted], axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


def test_the_opset_is_stated_and_the_file_is_well_formed() -> None:
    model = onnx.load_from_string(
        onnx_bytes(random_network(Network(LayerSpec.of(CHAIN), Widths(3), losses["squared"])))
    )
    onnx.checker.check_model(model, full_check=True)
    assert {one.domain: one.version for one in model.opset_import} == {"": graph.OPSET, "ai.onnx.ml": graph.ML_OPSET}
    facts = {one.key: one.value for one in model.metadata_props}
    assert facts == {"opset": "ai.onnx 20, ai.onnx.ml 3", "outputs": '["y0", "y1", "y2"]'}
    assert (model.producer_name, model.ir_version) == ("xpmlp", graph.IR_VERSION)


def test_a_vote_of_batch_ensembles_is_the_mean_of_probabilities() -> None:
    member = {
        "kind": "chain",
        "layers": [{"kind": "repeat", "members": 2}, {"kind": "adapters", "units": 3, "members": 2, "random": True}],
    }
    saved = random_network(
        Network(LayerSpec.of({"kind": "vote", "layers": [member, member]}), Widths(3), losses["cross_entropy"])
    )
    numbers, _ = random_inputs(Widths(3))
    found = computed(saved, features=numbers)
    logits = [
        ((numbers * inputs[one]) @ weights) * outputs[one] + biases[one]
        for ((weights, inputs, outputs, biases),) in saved.parameters
        for one in range(2)
    ]
    powers = np.exp(logits)
    wanted = (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)
    np.testing.assert_allclose(found["probabilities"], wanted, rtol=1e-5)
    assert found["label"].tolist() == wanted.argmax(axis=1).tolist()


def test_numbers_are_standardised_before_they_become_float32() -> None:
    """2**31 and 2**31 + 1 are the same in float32."""
    saved = random_network(
        Network(LayerSpec.of({"kind": "activation", "name": "identity"}), Widths(1), losses["squared"], 0.25)
    )
    saved = saved._replace(preprocessing=Preprocessing(np.asarray([2.0**31]), np.asarray([0.5])))
    found = computed(saved, features=np.asarray([[2.0**31], [2.0**31 + 1]]))
    assert found["prediction"].tolist() == [[0.0], [0.5]]


def test_a_code_that_is_not_known_is_one_never_seen() -> None:
    saved = random_network(Network(LayerSpec.of({"kind": "one_hot"}), Widths(1, (5,)), losses["squared"]))
    found = computed(saved, features=np.zeros((4, 1)), codes=np.asarray([[0], [4], [5], [99]]))
    assert found["prediction"].tolist() == [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("decision", "classes"),
    [
        (Decision(), ["a", "b", "c"]),
        (Decision(weights=(20.0, 1.0, 1.0)), ["a", "b", "c"]),
        (Decision(costs=((0.0, 1.0, 30.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))), [4, 7, 9]),
    ],
)
def test_labels_follow_the_decision(decision: Decision, classes: list[Any]) -> None:
    saved = random_network(Network(LayerSpec.of(CHAIN), Widths(3), losses["cross_entropy"]))
    told = decision.model_dump(mode="json", exclude_defaults=True)
    saved = saved._replace(classes=np.asarray(classes), sections={"decision": told} if told else None)
    numbers, _ = random_inputs(Widths(3), 40)
    found, wanted = computed(saved, features=numbers), expected(saved, numbers, None)
    assert found["label"].tolist() == np.asarray(classes)[decision.choose(wanted)].tolist()
    assert len(set(found["label"].tolist())) > 1


def test_two_classes_of_one_output_and_several_flags() -> None:
    network = Network(
        LayerSpec.of({**CHAIN, "layers": [*CHAIN["layers"][:-1], {"kind": "dense", "units": 1}]}),
        Widths(3),
        losses["logistic"],
    )
    saved = random_network(network)._replace(classes=np.asarray([False, True]), target_names=())
    saved = saved._replace(sections={"decision": {"weights": [0.7, 0.3]}})
    numbers, _ = random_inputs(Widths(3), 40)
    found, wanted = computed(saved, features=numbers), expected(saved, numbers, None)[:, 0]
    np.testing.assert_allclose(found["probabilities"], np.stack([1 - wanted, wanted], axis=1), rtol=1e-5, atol=1e-7)
    assert found["label"].tolist() == (wanted * 0.3 > (1 - wanted) * 0.7).tolist()
    flags = random_network(Network(LayerSpec.of(CHAIN), Widths(3), losses["logistic"]))
    flags = flags._replace(sections={"decision": {"thresholds": [0.2, 0.5, 0.9]}})
    found, outputs = computed(flags, features=numbers), expected(flags, numbers, None)
    assert found["label"].tolist() == (outputs > [0.2, 0.5, 0.9]).astype(int).tolist()


def test_a_layer_from_outside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network(Network(LayerSpec.of(CHAIN), Widths(3), losses["squared"]))
    loss = losses["squared"]._replace(name="mine", transform=lambda ops, logits: -logits)
    with pytest.raises(XpmlpError, match="the loss 'mine' is from outside of the package"):
        onnx_bytes(network._replace(network=network.network._replace(loss=loss)))
    monkeypatch.setattr("xpmlp.export.tree.KINDS", KINDS - {"activation"})
    with pytest.raises(XpmlpError, match="the layer 'activation' is from outside of the package"):
        onnx_bytes(network)


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_model, "ONNX", graph.ONNX._replace(package="no_onnx"))
    with pytest.raises(
        XpmlpError, match=r"the format onnx needs onnx, .*: install it with `pip install 'xpmlp\[onnx\]'`"
    ):
        onnx_bytes(random_network(Network(LayerSpec.of(CHAIN), Widths(3), losses["squared"])))

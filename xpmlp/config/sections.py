"""The sections of a config file: every field with its type, its bounds, its default and what it means.

The same definitions check a file, word the error messages, and fill the JSON schema and docs/configuration.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from xpmlp.config.value_types import (
    AbsolutePath,
    Activation,
    AnyPath,
    AutoOrCount,
    BackendName,
    ClassWeight,
    Count,
    CriterionName,
    DropoutRate,
    Folds,
    FormatName,
    Fraction,
    InitializerName,
    Interval,
    Layers,
    LossName,
    Members,
    Names,
    NonNegative,
    OptimizerName,
    OrNone,
    Positive,
    Quantiles,
    RateFactors,
    ScheduleName,
    Seed,
    Text,
    Units,
)
from xpmlp.initializers import initializers
from xpmlp.nn import activations, criteria, losses
from xpmlp.optim import optimizers, schedules, users_of


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no silent conversions (1.5, true, "3" are no integers)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class BackendConfig(Section):
    """Which array library computes, on which device, and in which precision."""

    name: BackendName = Field(
        "numpy",
        description="The array library. `auto` takes the first with a working GPU (CuPy, PyTorch, JAX), else NumPy, "
        "and says which; any other that is not usable here is an error.",
    )
    device: OrNone[Text] = Field(
        None,
        description='The device as its library names it: "cpu", "cuda:0", "mps" and so on. '
        '"none": the backend\'s default device.',
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="The type of weights, activations and losses.")
    fused: bool = Field(
        True,
        description="Use the backend's faster equals of the few operations that dominate, and compiled or recorded "
        "steps where it has them (JAX always compiles); false: the pure array-API definitions, one after another.",
    )
    tf32: bool = Field(
        False,
        description="Let an NVIDIA GPU that has TensorFloat-32 round the factors of float32 products to 10 bits: "
        "faster, and about three digits in place of seven. Results no longer agree with other backends' to rounding.",
    )
    threads: OrNone[Count] = Field(
        None,
        description="CPU threads of NumPy, at most, since small products take fewer; and of PyTorch. "
        '"none": one for each core. The same number is needed to get the same bits again.',
    )


class DataConfig(Section):
    """Which examples to learn from, and which to judge by.

    `split = "validation"` holds out a part of the training set and evaluates it after each epoch; `"test"` trains
    on all of the training set and evaluates the test set once, at the end; `"three-way"` holds out a validation
    part and evaluates the test set once, at the end.
    """

    name: FormatName = Field(
        description="The data set. `digits` is scikit-learn's and needs no download, `synth` is generated, `csv` and "
        "`npz` read a file of your own, `arrays` are given in Python: `xpmlp.train(config, data=...)`."
    )
    root: OrNone[AbsolutePath] = Field(
        None,
        description="The folder with the four IDX files, gzipped or not, or with torchvision's `MNIST/raw` or "
        "`FashionMNIST/raw` in it (mnist, fashion-mnist). Relative to the config file. Where files are missing there, "
        'nothing is downloaded. "none": look in `XPMLP_DATA_DIR`, then in the usual places, then download.',
    )
    path: OrNone[AbsolutePath] = Field(
        None,
        description="The file to read: required for csv and npz, refused for the others. Relative to the config file.",
    )
    target: Names = Field(
        "target",
        description="The column (csv) or array (npz) with the targets: labels of any type, or values to predict, as "
        "`model.loss` says. Several columns, or an array (n, k), are values, or yes and no as 1 and 0; "
        "with a single 1 in each row they are classes.",
    )
    features: Text = Field(
        "features",
        description="The array with the features, one row per example (npz). A csv file's features are all columns "
        "but the target.",
    )
    missing: list[Text] = Field(
        ["?", "NA", "N/A", "null", "NaN", "-"],
        description="The texts of a csv file that mean a gap, besides an empty field: as they are, in capitals or in "
        "small letters. A gap is refused, in the target and in the features; `[]`: in the target they are classes. "
        "`-` is no gap in a target that has `+`, too.",
    )
    split: Literal["validation", "test", "three-way"] = Field(
        "validation", description="What is held out, and what is evaluated when: see above."
    )
    validation_size: OrNone[Count] = Field(
        None,
        description='Examples held out for validation. "none": the data set\'s own: the last 5,000 of the training '
        "set for mnist and fashion-mnist, the last 10,000 for synth, 10% for digits, csv and npz. Unused by "
        '`split = "test"`.',
    )
    test_fraction: Fraction = Field(
        0.2,
        description="The part of the examples that is set aside as the test set before anything else, whatever the "
        "split; stratified by class (digits, csv, npz; the others bring their own). 0: no test set.",
    )
    seed: Seed = Field(
        0, description="Seed of the stratified split (digits, csv, npz); apart from that of the training."
    )
    standardize: OrNone[bool] = Field(
        None,
        description="Shift and scale each feature to mean 0 and standard deviation 1, fitted on the training part "
        'only (csv, npz). "none": true for csv and npz, except for uint8 images in an npz file; false for the others.',
    )


class ModelConfig(Section):
    """The network: its layers between input and output, its loss, and its first weights."""

    hidden_layer_sizes: list[Units] = Field(
        [100], description="Units of each hidden layer, from input to output. `[]`: a linear model."
    )
    activation: Activation = Field(
        "relu",
        description="The hidden layers' activation function, or a list with one for each. "
        + "; ".join(f"`{one.name}`: `{one.formula}`" for one in activations.values())
        + ".",
    )
    layers: Layers = Field(
        [],
        description="The layers one after another, instead of `hidden_layer_sizes`, `activation` and `dropout`: a "
        "table `[[model.layers]]` for each, with its `kind` and settings; one that joins others has these as `layers`, "
        "too. The program adds the last one, a dense layer with as many units as the loss wants. The first one takes "
        "the features, and the codes of categories if the data have any. A file's `layers` take the place of those "
        "three keys in a file that it extends, and these the place of `layers`.",
    )
    loss: LossName = Field(
        "auto",
        description="What is minimised, with its output function. "
        + "; ".join(f"`{loss.name}`: {loss.sentence}" for loss in losses.values())
        + ". `auto`: `cross_entropy` for labels, `squared` for columns with fractions and for several columns, unless "
        "each row has a single 1 among zeros.",
    )
    dropout: DropoutRate = Field(
        0.0,
        description="The part of the hidden units that is left out of each training step, by chance, or a list with "
        "one for each hidden layer. Evaluation and prediction use all units.",
    )
    dropout_schedule: ScheduleName = Field(
        "constant", description="How `dropout` changes, by the schedules of `train.schedule`."
    )
    huber_delta: Positive = Field(
        1.0, description='Up to this error the loss `huber` is squared, beyond absolute (with `loss = "huber"`).'
    )
    quantiles: Quantiles = Field(
        [0.1, 0.5, 0.9],
        description="The quantiles that are predicted, rising. R² is that of the one nearest to 0.5 (with "
        '`loss = "quantile"`).',
    )
    label_smoothing: Fraction = Field(
        0.0,
        description="The part of each target that is spread evenly over all classes, in training. The losses of "
        'validation and test, and the accuracy, are without it (with `loss = "cross_entropy"`).',
    )
    init: InitializerName = Field(
        "glorot_uniform",
        description="How the first weights are drawn, with biases of zero: "
        + "; ".join(f"`{name}`: {initializers[name].formula}" for name in initializers)
        + ".",
    )
    init_scale: Positive = Field(0.01, description='Standard deviation of the first weights for `init = "normal"`.')

    @property
    def loss_settings(self) -> dict[str, Any]:
        """The parameters of losses that differ from their defaults."""
        fields = type(self).model_fields
        keys = [key for loss in losses.values() for key, _ in loss.settings if key in fields]
        return {key: getattr(self, key) for key in keys if getattr(self, key) != fields[key].default}

    @property
    def hidden_activations(self) -> tuple[str, ...]:
        """The activation of each hidden layer."""
        return tuple(self._by_layer(self.activation))

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The dropout of each hidden layer."""
        return tuple(self._by_layer(self.dropout))

    def _by_layer(self, given: Any) -> list[Any]:
        return given if isinstance(given, list) else [given] * len(self.hidden_layer_sizes)


INSTEAD_OF_LAYERS = ("hidden_layer_sizes", "activation", "dropout")
"""The keys of ``[model]`` that describe what ``layers`` does."""


def _of_optimizers(name: str) -> Any:
    """The field of a hyperparameter that some optimisers have, as their records describe it."""
    users = users_of(name)
    one = optimizers[users[0]].hyperparameters[name]
    description = f"{one.description} ({', '.join(users)})."
    return Field(one.default, ge=one.minimum, gt=one.above, lt=one.below, description=description)


class TrainConfig(Section):
    """The optimisation: how long, in which steps, and when to stop."""

    epochs: Count = Field(10, description="Passes over the training examples.")
    batch_size: Count = Field(32, description="Examples per step. The shorter last batch is trained too.")
    optimizer: OptimizerName = Field(
        "sgd",
        description="The rule that turns gradients into steps: "
        + "; ".join(f"`{one.name}`, {one.description}" for one in optimizers.values())
        + ".",
    )
    learning_rate: NonNegative = Field(
        0.01, description="Step size: the factor on the mean gradient of a batch; the first one of a schedule."
    )
    momentum: float = _of_optimizers("momentum")
    beta_1: float = _of_optimizers("beta_1")
    beta_2: float = _of_optimizers("beta_2")
    epsilon: float = _of_optimizers("epsilon")
    weight_decay: NonNegative = Field(
        0.0,
        description="L2 penalty: `weight_decay * weights` is added to the gradient; biases excluded. With adamw it is "
        "none: weights are multiplied by `1 - learning_rate * weight_decay` before each step.",
    )
    rates: RateFactors = Field(
        None,
        description="Factors on the learning rate by kind of parameter, as `{ biases = 0.1 }`; 1 for kinds that are "
        'not in it. "none": the same rate for all.',
    )
    clip_norm: OrNone[Positive] = Field(
        None,
        description="The largest norm of a batch's gradient, over all parameters together: a larger one is scaled "
        'down. "none": no bound.',
    )
    averaging: OrNone[Fraction] = Field(
        None,
        description="Decay, per step, of a running mean of the parameters, which is what is validated and saved in "
        'their place. "none": the parameters themselves.',
    )
    class_weight: ClassWeight = Field(
        None,
        description="How much the examples of each class count in training: `balanced`, all classes the same in total; "
        "or a table by label, as `{ cat = 1.0, dog = 2.5 }`, 1 for labels that are not in it. The training figures "
        "are weighted means then; those of validation and test are not.",
    )
    schedule: ScheduleName = Field(
        "constant",
        description="How the learning rate changes: "
        + "; ".join(f"`{schedule.name}`, {schedule.sentence}" for schedule in schedules.values())
        + ".",
    )
    weight_decay_schedule: ScheduleName = Field(
        "constant", description="How `weight_decay` changes, by the same schedules."
    )
    schedule_by: Literal["auto", "epoch", "step"] = Field(
        "auto",
        description="How often schedules set a new value; `auto`: `"
        + "`, `".join(schedule.name for schedule in schedules.values() if schedule.by == "epoch")
        + "` by epoch, the others by step. `adaptive` is always by epoch.",
    )
    warmup: NonNegative = Field(
        0.0,
        description="The learning rate rises from 0 to that of the schedule, by equal amounts, for so many steps; "
        "below 1, for this part of the training.",
    )
    power_t: NonNegative = Field(0.5, description="Exponent of the schedule `inverse_scaling`.")
    tol: NonNegative = Field(
        1e-4, description="The fall of the training loss, per epoch, that is no stall (schedule `adaptive`)."
    )
    n_iter_no_change: Count = Field(
        10, description="More epochs in a row than this without such a fall are a stall (schedule `adaptive`)."
    )
    seed: Seed = Field(0, description="Seed of the first weights and of the order of the examples.")
    shuffle: bool = Field(True, description="A new order of the examples in each epoch; false: as they come.")
    patience: OrNone[Count] = Field(
        None,
        description="Early stopping: end after this many epochs without a better validation loss, and keep the best "
        'weights. "none": train all epochs and keep the last, or the best if `best_by` names a figure.',
    )
    min_improvement: NonNegative = Field(
        0.0, description="The fall of the validation loss that counts as better (with patience)."
    )
    best_by: CriterionName = Field(
        "loss",
        description="What the best epoch is judged by, on the validation part, with or without patience: "
        + "; ".join(f"`{one.name}`, {one.sentence}" for one in criteria.values())
        + ". Of equal epochs the last is the best. `loss`: the loss, with patience alone, and the first.",
    )
    members: Members = Field(
        1,
        description="Networks that are trained side by side, with the seeds from `seed` on, and vote: the mean of "
        "their predictions is what is saved, tested, and with `best_by` or patience judged.",
    )
    folds: OrNone[Folds] = Field(
        None,
        description="Parts of the training examples, with equal shares of each class, that members of a vote leave out "
        'in turn and are judged by: `members` for each part. "none": all members take all examples.',
    )
    evaluate_train: bool = Field(
        False,
        description="Evaluate the training examples after each epoch, too, into `train_after.csv`: the training "
        "figures of `epochs.csv` are taken while the weights still change, so they lag.",
    )
    segment_steps: Count = Field(
        500,
        description="Steps between two readings of results from the device: Ctrl-C, the progress bar and the check "
        "for a diverged loss act at these points.",
    )


class GridConfig(Section):
    """Many runs from one file: every combination of the lists given here, each with several seeds.

    Seeds, learning rates, weight decays and momenta are stacked along a leading axis of the same arrays; the other
    lists change shapes or code, so that their runs are trained in blocks of their own. A list that is empty does not
    vary. Without this section there is one run.
    """

    runs: Count = Field(
        1, description="Runs of each combination, with the seeds `train.seed`, `train.seed` + 1, and so on."
    )
    learning_rate: list[NonNegative] = Field([], description="Instead of `train.learning_rate`.")
    weight_decay: list[NonNegative] = Field([], description="Instead of `train.weight_decay`.")
    momentum: list[Fraction] = Field([], description="Instead of `train.momentum`.")
    batch_size: list[Count] = Field([], description="Instead of `train.batch_size`.")
    hidden_layer_sizes: list[list[Units]] = Field(
        [], description="Instead of `model.hidden_layer_sizes`, as `[[300], [800]]`."
    )
    activation: list[Activation] = Field([], description="Instead of `model.activation`.")
    optimizer: list[OptimizerName] = Field([], description="Instead of `train.optimizer`.")
    block_width: AutoOrCount = Field(
        "auto",
        description='Runs stacked in one block; fewer if the free memory does not hold so many. "auto": 1 on a CPU, '
        "where a stack would leave the cache; on a GPU as many as its memory holds.",
    )
    workers: AutoOrCount = Field(
        "auto",
        description='Local processes that train blocks side by side. "auto": one for each core on a CPU backend that '
        "runs on one thread (numpy, torch), else 1.",
    )
    scheduler: OrNone[Text] = Field(
        None,
        description='Address of a Dask scheduler whose workers train the blocks, as "tcp://host:8786". "none": this '
        "machine.",
    )

    @property
    def is_grid(self) -> bool:
        """Whether there is more than the one run of a config without this section."""
        return self.runs > 1 or any(getattr(self, axis) for axis in GRID_AXES)


GRID_AXES = {
    "learning_rate": "train",
    "weight_decay": "train",
    "momentum": "train",
    "batch_size": "train",
    "hidden_layer_sizes": "model",
    "activation": "model",
    "optimizer": "train",
}
"""What a grid can vary, and the section that it varies."""


class OutputConfig(Section):
    """What a run leaves behind."""

    folder: AnyPath = Field(
        Path("runs"),
        description="Run folders are `<folder>/<name of the config file>`. Relative to the working directory.",
    )
    plots: bool = Field(True, description="Draw the curves (`loss.png`, `loss.svg`, `epochs.png`).")
    tensorboard: bool = Field(
        False,
        description="Write the curves as TensorBoard event files, too, into `tensorboard/` (extra `tensorboard`).",
    )
    checkpoint_every: OrNone[Interval] = Field(
        "auto",
        description="When to write a checkpoint, from which `--resume` goes on: after so many epochs, or at the first "
        'end of a segment after so many seconds or steps. "auto": at the first end of an epoch after 30 seconds. A '
        'training that ends or is stopped writes one, too. "none": never.',
    )
    keep: Count = Field(2, description="Checkpoints that are kept: the last ones, a second one in case of damage.")

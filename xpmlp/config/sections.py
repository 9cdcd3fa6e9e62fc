"""The sections of a config file: every field with its type, its bounds, its default and what it means.

The same definitions check a file, word the error messages, and fill the JSON schema and docs/configuration.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xpmlp.config.layers import LayersOf
from xpmlp.config.names import NameOf
from xpmlp.config.value_types import (
    AbsolutePath,
    AnyPath,
    AutoOrCount,
    ClassWeight,
    ColumnTypes,
    Count,
    Fraction,
    FractionOrList,
    Interval,
    Names,
    NonNegative,
    OrNone,
    Positive,
    Quantiles,
    RateFactors,
    Seed,
    Text,
    Threshold,
    Units,
)
from xpmlp.nn import losses
from xpmlp.optim import optimizers, schedules, users_of

Activation: TypeAlias = Annotated[str | list[str], NameOf("activation", lists=True)]
OptimizerName: TypeAlias = Annotated[str, NameOf("optimizer")]
ScheduleName: TypeAlias = Annotated[str, NameOf("schedule")]


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys, no silent conversions (1.5, true, "3" are no integers)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class BackendConfig(Section):
    """Which array library computes, on which device, and in which precision."""

    name: Annotated[str, NameOf("backend", ("auto",))] = "numpy"
    """The array library. `auto` takes the first with a working GPU (CuPy, PyTorch, JAX), else NumPy, and says which;
    any other that is not usable here is an error.
    """

    device: OrNone[Text] = None
    """The device as its library names it: "cpu", "cuda:0", "mps" and so on. "none": the backend's
    default device.
    """

    dtype: Literal["float32", "float64"] = "float32"
    """The type of weights, activations and losses."""

    fused: bool = True
    """Use the backend's faster equals of the few operations that dominate, and compiled or recorded steps where it has
    them (JAX always compiles); false: the pure array-API definitions, one after another.
    """

    tf32: bool = False
    """Let an NVIDIA GPU that has TensorFloat-32 round the factors of float32 products to 10 bits: faster, and about
    three digits in place of seven. Results no longer agree with other backends' to rounding.
    """

    threads: OrNone[Count] = None
    """CPU threads of NumPy, at most, since small products take fewer; and of PyTorch. "none": one for each core. The
    same number is needed to get the same bits again.
    """


class DataConfig(Section):
    """Which examples to learn from, and which to judge by.

    `split = "validation"` holds out a part of the training set and evaluates it after each epoch; `"test"` trains
    on all of the training set and evaluates the test set once, at the end; `"three-way"` holds out a validation
    part and evaluates the test set once, at the end.
    """

    @model_validator(mode="before")
    @classmethod
    def _name_a_table(cls, given: Any) -> Any:
        """A path alone is that of a table."""
        named = isinstance(given, dict) and "path" in given and given["path"] not in (None, "none")
        return {"name": "table", **given} if named else given

    name: Annotated[str, NameOf("data set")]
    """The data set. `table` reads a table of your own, with columns of any kind; `digits` is scikit-learn's and needs
    no download, `synth` is generated, `csv` and `npz` read a file of your own, `arrays` are given in Python:
    `xpmlp.train(config, data=...)`. A path without a name is a table's.
    """

    root: OrNone[AbsolutePath] = None
    """The folder with the four IDX files, gzipped or not, or with torchvision's `MNIST/raw` or `FashionMNIST/raw` in it
    (mnist, fashion-mnist). Relative to the config file. Where files are missing there, nothing is downloaded. "none":
    look in `XPMLP_DATA_DIR`, then in the usual places, then download.
    """

    path: OrNone[AbsolutePath] = None
    """The file to read: required for table, csv and npz, refused for the others. Of a table it may be a folder of
    Parquet files. Relative to the config file.
    """

    target: Names = "target"
    """The column (csv) or array (npz) with the targets: labels of any type, or values to predict, as `model.loss` says.
    Several columns, or an array (n, k), are values, or yes and no as 1 and 0; with a single 1 in each row they are
    classes.
    """

    features: Names = "features"
    """The array with the features, one row per example (npz); or a list of columns (table). The features of csv, and of
    a table where none are listed, are all columns but the target.
    """

    drop: list[Text] = []
    """Columns that are no features (table)."""

    weights: OrNone[Text] = None
    """The column that says how much each row counts, in training and in scores (table)."""

    group: OrNone[Text] = None
    """The column of groups, as persons or cars: the rows of one are never on both sides of a split (table)."""

    time: OrNone[Text] = None
    """The column by which the newest rows are the test part, and of the others validate (table)."""

    types: ColumnTypes = None
    """Kinds of columns that overrule what is inferred, as `{ zip = "category", size = "small<medium<large" }`; kinds
    are number, category, truth, date, clock, text, id and constant (table).
    """

    task: Literal["auto", "classes", "values"] = "auto"
    """The kind of a table's target; `auto`: values if it has fractions or over 20 distinct numbers, else classes."""

    log_target: bool = False
    """Learn the logarithm of values, all of them above 0; predictions are values again (table)."""

    test: OrNone[AbsolutePath] = None
    """A file with the test part, which is then not drawn (table)."""

    validation: OrNone[AbsolutePath] = None
    """A file with the validation part, which is then not drawn (table)."""

    separator: OrNone[Text] = None
    """The separator of the fields of a table in a CSV file: a character, or "blanks". "none", here and below: found
    out, and reported.
    """

    quote: OrNone[Annotated[str, Field(max_length=1)]] = None
    """The character around fields of a CSV file (table); "": none."""

    decimal: OrNone[Literal[".", ","]] = None
    """The sign before a fraction in a CSV file (table)."""

    encoding: OrNone[Text] = None
    """The encoding of a CSV file, as "cp1250" (table)."""

    header: OrNone[bool] = None
    """Whether a CSV file's first line names the columns (table)."""

    comment: OrNone[str] = None
    """How lines of a CSV file begin that are comments (table); "": there are none."""

    missing: list[Text] = ["?", "NA", "N/A", "null", "NaN", "-"]
    """The texts of a table or csv file that mean a gap, besides an empty field: as they are, in capitals or in small
    letters. csv refuses a gap, in the target and in the features; `[]`: in the target they are classes. `-` is no gap
    in a target that has `+`, too.
    """

    split: Literal["validation", "test", "three-way"] = "validation"
    """The parts that are held out, and when each is evaluated: see above."""

    validation_size: OrNone[Count] = None
    """Examples held out for validation. "none": the data set's own: the last 5,000 of the training set for mnist and
    fashion-mnist, the last 10,000 for synth, 10% for digits, csv and npz. Unused by `split = "test"`.
    """

    test_fraction: Fraction = 0.2
    """The part of the examples that is set aside as the test set before anything else, whatever the split; stratified
    by class (digits, csv, npz; the others bring their own). 0: no test set.
    """

    seed: Seed = 0
    """Seed of the stratified split (digits, csv, npz); apart from that of the training."""

    standardize: OrNone[bool] = None
    """Shift and scale each feature to mean 0 and standard deviation 1, fitted on the training part only (csv, npz).
    "none": true for csv and npz, except for uint8 images in an npz file; false for the others.
    """


class ModelConfig(Section):
    """The network: its layers between input and output, its loss, and its first weights."""

    hidden_layer_sizes: list[Units] = [100]
    """Units of each hidden layer, from input to output. `[]`: a linear model."""

    activation: Activation = "relu"
    """The hidden layers' activation function, or a list with one for each."""

    layers: Annotated[list[dict[str, Any]], LayersOf("layer")] = []
    """The layers one after another, instead of `hidden_layer_sizes`, `activation` and `dropout`: a table
    `[[model.layers]]` for each, with its `kind` and settings; one that joins others has these as `layers`, too. The
    program adds the last one, a dense layer with as many units as the loss wants. The first one takes the features, and
    the codes of categories if the data have any. A file's `layers` take the place of those three keys in a file that it
    extends, and these the place of `layers`.
    """

    loss: Annotated[str, NameOf("loss", ("auto",))] = "auto"
    """The loss to minimise, with its output function. `auto`: `cross_entropy` for labels, `squared` for columns with
    fractions and for several columns, unless each row has a single 1 among zeros.
    """

    dropout: FractionOrList = 0.0
    """The part of the hidden units that is left out of each training step, by chance, or a list with one for each
    hidden layer. Evaluation and prediction use all units.
    """

    dropout_schedule: ScheduleName = "constant"
    """How `dropout` changes, by the schedules of `train.schedule`."""

    huber_delta: Positive = 1.0
    """Up to this error the loss `huber` is squared, beyond absolute (with `loss = "huber"`)."""

    quantiles: Quantiles = [0.1, 0.5, 0.9]
    """The quantiles that are predicted, rising. R² is that of the one nearest to 0.5 (with `loss = "quantile"`)."""

    label_smoothing: Fraction = 0.0
    """The part of each target that is spread evenly over all classes, in training. The losses of validation and test,
    and the accuracy, are without it (with `loss = "cross_entropy"`).
    """

    threshold: Threshold = None
    """How predictions choose a class. "none": the most probable one. A number, of two classes: the second one, or yes,
    if its probability is above that. `balanced`: by probabilities over the classes' parts of the training examples. A
    table: what a mistake costs with examples of a class, `{ ill = 20 }`, or as what it is taken, `{ ill = { well = 20
    } }`, 1 if not given; the class of the least expected cost is chosen. Scores are those of the most probable class.
    """

    init: Annotated[str, NameOf("initializer")] = "glorot_uniform"
    """How the first weights are drawn, with biases of zero."""

    init_scale: Positive = 0.01
    """Standard deviation of the first weights for `init = "normal"`."""

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


class Length(NamedTuple):
    """The numbers of epochs and of examples per step."""

    epochs: int
    batch_size: int


class TrainConfig(Section):
    """The optimisation: how long, in which steps, and when to stop."""

    epochs: AutoOrCount = 10
    """Passes over the training examples. `auto`: by the number of examples and of weights, from 8 to 256; the recipes
    for tables have it.
    """

    batch_size: AutoOrCount = 32
    """Examples per step. The shorter last batch is trained too. `auto`: 256, or more with over 65,536 examples."""

    max_seconds: OrNone[Positive] = None
    """Time to train: a probe of a second finds out how many of the epochs fit, and `config.toml` then has these in its
    place. "none": all epochs.
    """

    optimizer: OptimizerName = "sgd"
    """The rule that turns gradients into steps."""

    learning_rate: NonNegative = 0.01
    """Step size: the factor on the mean gradient of a batch; the first one of a schedule."""

    momentum: float = _of_optimizers("momentum")
    beta_1: float = _of_optimizers("beta_1")
    beta_2: float = _of_optimizers("beta_2")
    epsilon: float = _of_optimizers("epsilon")
    weight_decay: NonNegative = 0.0
    """L2 penalty: `weight_decay * weights` is added to the gradient; biases excluded. With adamw it is none: weights
    are multiplied by `1 - learning_rate * weight_decay` before each step.
    """

    rates: RateFactors = None
    """Factors on the learning rate by kind of parameter, as `{ biases = 0.1 }`; 1 for kinds that are not in it. "none":
    the same rate for all.
    """

    clip_norm: OrNone[Positive] = None
    """The largest norm of a batch's gradient, over all parameters together: a larger one is scaled down. "none": no
    bound.
    """

    averaging: OrNone[Fraction] = None
    """Decay, per step, of a running mean of the parameters, which is what is validated and saved in their place.
    "none": the parameters themselves.
    """

    class_weight: ClassWeight = None
    """How much the examples of each class count in training: `balanced`, all classes the same in total; or a table by
    label, as `{ cat = 1.0, dog = 2.5 }`, 1 for labels that are not in it. The training figures are weighted means then;
    those of validation and test are not.
    """

    schedule: ScheduleName = "constant"
    """How the learning rate changes."""

    weight_decay_schedule: ScheduleName = "constant"
    """How `weight_decay` changes, by the same schedules."""

    schedule_by: Literal["auto", "epoch", "step"] = Field(
        "auto",
        description="How often schedules set a new value; `auto`: "
        + ", ".join(f"`{schedule.name}`" for schedule in schedules.values() if schedule.by == "epoch")
        + " by epoch, the others by step. `adaptive` is always by epoch.",
    )
    warmup: NonNegative = 0.0
    """The learning rate rises from 0 to that of the schedule, by equal amounts, for so many steps; below 1, for this
    part of the training.
    """

    power_t: NonNegative = 0.5
    """Exponent of the schedule `inverse_scaling`."""

    tol: NonNegative = 1e-4
    """The fall of the training loss, per epoch, that is no stall (schedule `adaptive`)."""

    n_iter_no_change: Count = 10
    """More epochs in a row than this without such a fall are a stall (schedule `adaptive`)."""

    seed: Seed = 0
    """Seed of the first weights and of the order of the examples."""

    shuffle: bool = True
    """A new order of the examples in each epoch; false: as they come."""

    patience: OrNone[Count] = None
    """Early stopping: end after this many epochs without a better validation loss, and keep the best weights. "none":
    train all epochs and keep the last, or the best if `best_by` names a figure.
    """

    min_improvement: NonNegative = 0.0
    """The fall of the validation loss that counts as better (with patience)."""

    metric: OrNone[Literal["log_loss", "error", "auc", "rmse", "mae"]] = None
    """The figure that counts, by which `best_by`, `calibrate`, `model.label_smoothing` and `model.loss` are set over
    what this file extends; keys beside it overrule it. `auc` is without label smoothing, `mae` learns absolute errors.
    """

    best_by: Annotated[str, NameOf("criterion", ("loss",))] = "loss"
    """The figure by which the best epoch is judged, on the validation part, with or without patience. Of equal epochs
    the last is the best. `loss`: the loss, with patience alone, and the first.
    """

    calibrate: bool = False
    """Divide the logits of each trained network by the temperature that gives the lowest log-loss on the validation
    part, or on the fold that it has left out; with `best_by = "refined_log_loss"` (classes).
    """

    members: Annotated[int, Field(ge=1, le=1000)] = 1
    """Networks that are trained side by side, with the seeds from `seed` on, and vote: the mean of their predictions is
    what is saved, tested, and with `best_by` or patience judged.
    """

    folds: OrNone[Annotated[int, Field(ge=2, le=100)]] = None
    """Parts of the training examples, with equal shares of each class, that members of a vote leave out in turn and are
    judged by: `members` for each part. "none": all members take all examples.
    """

    evaluate_train: bool = False
    """Evaluate the training examples after each epoch, too, into `train_after.csv`: the training figures of
    `epochs.csv` are taken while the weights still change, so they lag.
    """

    segment_steps: Count = 500
    """Steps between two readings of results from the device: Ctrl-C, the progress bar and the check for a diverged loss
    act at these points.
    """

    @property
    def length(self) -> Length:
        """The epochs and the batch size, once they are numbers."""
        assert not isinstance(self.epochs, str)
        assert not isinstance(self.batch_size, str)
        return Length(self.epochs, self.batch_size)


class GridConfig(Section):
    """Many runs from one file: every combination of the lists given here, each with several seeds.

    Seeds, learning rates, weight decays and momenta are stacked along a leading axis of the same arrays; the other
    lists change shapes or code, so that their runs are trained in blocks of their own. A list that is empty does not
    vary. Without this section there is one run.
    """

    runs: Count = 1
    """Runs of each combination, with the seeds `train.seed`, `train.seed` + 1, and so on."""

    learning_rate: list[NonNegative] = []
    """Instead of `train.learning_rate`."""

    weight_decay: list[NonNegative] = []
    """Instead of `train.weight_decay`."""

    momentum: list[Fraction] = []
    """Instead of `train.momentum`."""

    batch_size: list[Count] = []
    """Instead of `train.batch_size`."""

    hidden_layer_sizes: list[list[Units]] = []
    """Instead of `model.hidden_layer_sizes`, as `[[300], [800]]`."""

    activation: list[Activation] = []
    """Instead of `model.activation`."""

    optimizer: list[OptimizerName] = []
    """Instead of `train.optimizer`."""

    block_width: AutoOrCount = "auto"
    """Runs stacked in one block; fewer if the free memory does not hold so many. "auto": 1 on a CPU, where a stack
    would leave the cache; on a GPU as many as its memory holds.
    """

    workers: AutoOrCount = "auto"
    """Local processes that train blocks side by side. "auto": one for each core on a CPU backend that runs on one
    thread (numpy, torch), else 1.
    """

    scheduler: OrNone[Text] = None
    """Address of a Dask scheduler whose workers train the blocks, as "tcp://host:8786". "none": this machine."""

    @property
    def is_grid(self) -> bool:
        """Whether there is more than the one run of a config without this section."""
        return self.runs > 1 or any(getattr(self, axis) for axis in GRID_AXES)


GRID_AXES = {
    key: "model" if key in ModelConfig.model_fields else "train"
    for key, field in GridConfig.model_fields.items()
    if field.default == []
}
"""The keys that a grid can vary, each with its section."""


class OutputConfig(Section):
    """The files that a run leaves behind."""

    folder: AnyPath = Path("runs")
    """Run folders are `<folder>/<name of the config file>`. Relative to the working directory."""

    plots: bool = True
    """Draw the curves (`loss.png`, `loss.svg`, `epochs.png`)."""

    tensorboard: bool = False
    """Write the curves as TensorBoard event files, too, into `tensorboard/` (extra `tensorboard`)."""

    checkpoint_every: OrNone[Interval] = "auto"
    """When to write a checkpoint, from which `--resume` goes on: after so many epochs, or at the first end of a segment
    after so many seconds or steps. "auto": at the first end of an epoch after 30 seconds. A training that ends or is
    stopped writes one, too. "none": never.
    """

    keep: Count = 2
    """Checkpoints that are kept: the last ones, a second one in case of damage."""

"""``[train]``: the optimiser, its rates, and the length and end of a training."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from xpmlp.config.names import NameOf
from xpmlp.config.sections.section import OptimizerName, ScheduleName, Section
from xpmlp.config.value_types import (
    AutoOrCount,
    ClassWeight,
    Count,
    Fraction,
    NonNegative,
    OrNone,
    Positive,
    RateFactors,
    Seed,
)
from xpmlp.optim import optimizers, schedules, users_of


def _of_optimizers(name: str) -> Any:
    """Make the field of a hyperparameter of some optimisers, as described by their records."""
    users = users_of(name)
    one = optimizers[users[0]].hyperparameters[name]
    description = f"{one.description} ({', '.join(users)})."
    return Field(one.default, ge=one.minimum, gt=one.above, lt=one.below, description=description)


class Length(NamedTuple):
    """The number of epochs, and of examples per step."""

    epochs: int
    batch_size: int


class TrainConfig(Section):
    """The optimisation: its length, its steps, and when to stop."""

    epochs: AutoOrCount = 10
    """Passes over the training examples. `auto`: from 8 to 256, depending on the numbers of examples, weights,
    units and members; the recipes for tables use it.
    """

    batch_size: AutoOrCount = 32
    """Examples per step. The last batch of an epoch may be smaller. `auto`: up to 256, and with over 65,536 examples up
    to 1,024.
    """

    max_seconds: OrNone[Positive] = None
    """Time limit for the training: a probe of about a second measures how many of the epochs fit, and the run folder's
    `config.toml` then has that number of epochs instead. "none": all epochs.
    """

    optimizer: OptimizerName = "sgd"
    """The rule that turns gradients into steps."""

    learning_rate: NonNegative = 0.01
    """Step size: the factor on the mean gradient of a batch, or the base rate of a schedule."""

    momentum: float = _of_optimizers("momentum")
    beta_1: float = _of_optimizers("beta_1")
    beta_2: float = _of_optimizers("beta_2")
    epsilon: float = _of_optimizers("epsilon")
    weight_decay: NonNegative = 0.0
    """L2 penalty: `weight_decay * weights` is added to the gradient, except for biases. With adamw, instead, the
    weights are multiplied by `1 - learning_rate * weight_decay` before each step.
    """

    rates: RateFactors = None
    """Factors on the learning rate by kind of parameter, such as `{ biases = 0.1 }`; 1 for the other kinds. A kind
    that only other layers have changes nothing. "none": the same rate for all.
    """

    clip_norm: OrNone[Positive] = None
    """Maximum norm of a batch's gradient, over all parameters together: larger gradients are scaled down to it. "none":
    no limit.
    """

    averaging: OrNone[Fraction] = None
    """Decay per step of a moving average of the parameters, which is validated and saved instead of the parameters.
    "none": no averaging.
    """

    class_weight: ClassWeight = None
    """Weights of the classes in training: `balanced`, with the same total for each class; or a table by label, such as
    `{ cat = 1.0, dog = 2.5 }`, with 1 for the other labels. The training figures are then weighted means; those of
    validation and test are not.
    """

    schedule: ScheduleName = "constant"
    """How the learning rate changes during the training."""

    weight_decay_schedule: ScheduleName = "constant"
    """How `weight_decay` changes during the training: one of the same schedules."""

    schedule_by: Literal["auto", "epoch", "step"] = Field(
        "auto",
        description="When schedules set a new value; `auto`: "
        + ", ".join(f"`{schedule.name}`" for schedule in schedules.values() if schedule.by == "epoch")
        + " by epoch, the others by step. `adaptive` is always by epoch.",
    )
    warmup: NonNegative = 0.0
    """Length of the warm-up, in which the learning rate rises linearly from 0 to that of the schedule: a number of
    steps, or, below 1, a fraction of the training.
    """

    power_t: NonNegative = 0.5
    """Exponent of the schedule `inverse_scaling`."""

    tol: NonNegative = 1e-4
    """The decrease below the best training loss that an epoch needs to count as progress (schedule `adaptive`)."""

    n_iter_no_change: Count = 10
    """The rate is lowered after more epochs in a row than this without progress (schedule `adaptive`)."""

    seed: Seed = 0
    """Seed of the initial weights, of the order of the examples and of dropout."""

    shuffle: bool = True
    """Draw a new order of the examples in each epoch; false: keep the order of the data."""

    patience: OrNone[Count] = None
    """Early stopping: stop after this many epochs in a row in which the validation loss, or the figure of `best_by`,
    has not improved, and keep the best weights. "none": train for all epochs and keep the last weights, or the best if
    `best_by` names a figure.
    """

    min_improvement: NonNegative = 0.0
    """Minimum decrease of the validation loss, or of the figure of `best_by`, that counts as an improvement."""

    metric: OrNone[Literal["log_loss", "error", "auc", "rmse", "mae"]] = None
    """The figure to optimise: it sets `best_by`, `calibrate`, `model.label_smoothing` and `model.loss`, over the values
    of a file that this one extends; keys set beside it take precedence. `auc` turns label smoothing off, `mae`
    minimises absolute errors.
    """

    best_by: Annotated[str, NameOf("criterion", ("loss",))] = "loss"
    """The figure by which the best epoch is chosen, on the validation part or on the folds left out, with or without
    patience; of equal epochs the last. `loss`: the validation loss, with patience only; of equal epochs the first.
    """

    calibrate: bool = False
    """Divide the logits of each trained network by the temperature with the lowest log-loss on the validation part, or
    on the fold that the network left out; meant for `best_by = "refined_log_loss"` (classes).
    """

    members: Annotated[int, Field(ge=1, le=1000)] = 1
    """Networks trained side by side, with the seeds from `seed` on, which vote: the mean of their predictions is saved,
    tested and, with `best_by` or patience, judged.
    """

    shared: bool = False
    """Whether the members share one network, as a batch ensemble (TabM): from the first dense layer on, each has only
    factors of its own for the inputs and outputs of each layer, and biases. They train and stop as one network.
    """

    folds: OrNone[Annotated[int, Field(ge=2, le=100)]] = None
    """Number of folds of the training examples, with equal shares of each class. Each member of a vote leaves one fold
    out and is judged by it; there are `members` members for each fold. "none": all members train on all examples.
    """

    judge_folds: Literal["apart", "together", "auto"] = "apart"
    """How members with folds are judged and calibrated. `apart`: each by the fold that it leaves out. `together`: all
    by their predictions for all examples, at one temperature. `auto`: together with fewer than 1,000 examples.
    """

    evaluate_train: bool = False
    """Also evaluate the training examples after each epoch, into `train_after.csv`: the training figures in
    `epochs.csv` lag, because they are taken while the weights still change.
    """

    segment_steps: Count = 500
    """Steps between two transfers of results from the device: Ctrl-C, the progress bar and the check for a diverged
    loss act at these points.
    """

    @property
    def networks(self) -> int:
        """The number of networks that are trained side by side, each with weights of its own."""
        return (1 if self.shared else self.members) * (self.folds or 1)

    @property
    def length(self) -> Length:
        """The epochs and the batch size, both numbers: `auto` has to be resolved before."""
        assert not isinstance(self.epochs, str)
        assert not isinstance(self.batch_size, str)
        return Length(self.epochs, self.batch_size)

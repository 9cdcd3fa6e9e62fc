"""``[train]``: the optimiser, its rates, the length of a training, and when it stops."""

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

    judge_folds: Literal["apart", "together", "auto"] = "apart"
    """How members with folds are judged and calibrated: each by the fold that it has left out, or all by their
    predictions for all examples, at one temperature. `auto`: together with fewer than 1,000 of them.
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

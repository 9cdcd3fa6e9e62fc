"""The final network: trained on all training images with the best learning rate, and tested once."""

from __future__ import annotations

from typing import Any

from xpmlp.report import coursework
from xpmlp.report.comparison import Comparison, at_least, at_most, judged
from xpmlp.report.demands import CLASSES, DIGITS, ONE_HIDDEN_LAYER, ONE_TRAINING, TEST
from xpmlp.report.part import FinishedPart, PartContents, PartInputs, ReportPart
from xpmlp.report.parts.training import train_run
from xpmlp.training.trainer import load_data


def compute(work: PartInputs) -> dict[str, Any]:
    """Train with the best learning rate of Table 4, and evaluate on the test set."""
    rate = work.needed["table4"].results["best"]
    result = train_run(work, work.settings.replaced(train={"learning_rate": rate}))
    test = result.run.test
    assert test is not None
    dataset = load_data(work.settings)
    assert dataset.test is not None
    work.write(
        "test.csv",
        ("figure", "coursework", "this_run"),
        [("loss", coursework.FINAL_LOSS, test.loss), ("accuracy", coursework.FINAL_ACCURACY, test.value)],
    )
    return {
        "learning_rate": rate,
        "trained_on": len(dataset.train),
        "tested_on": len(dataset.test),
        "loss": test.loss,
        "accuracy": test.value,
    }


def show(done: FinishedPart, quick: bool) -> PartContents:
    """Show the score."""
    scores = [
        (
            f"test {name}",
            f"{printed:.3f}",
            f"{done.results[name]:.4f}",
            judged(judge(done.results[name], printed), quick),
        )
        for name, printed, judge in (
            ("loss", coursework.FINAL_LOSS, at_most),
            ("accuracy", coursework.FINAL_ACCURACY, at_least),
        )
    ]
    return PartContents(done.blocks({}, {"scores": scores}), [Comparison("Final", *score) for score in scores])


PART = ReportPart(
    "final",
    "The final network",
    compute,
    show,
    config="final",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, TEST, DIGITS, CLASSES),
    needs=("table4",),
    quick={"data.name": "digits", "train.epochs": 3},
)

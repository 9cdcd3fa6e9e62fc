"""The final network: trained on all training images with the best learning rate, and tested once."""

from __future__ import annotations

from typing import Any

from xpmlp.report import coursework
from xpmlp.report.comparison import NOT_COMPARABLE, Comparison, at_least, at_most
from xpmlp.report.demands import CLASSES, DIGITS, ONE_HIDDEN_LAYER, ONE_TRAINING, TEST
from xpmlp.report.document import Block, Code, Paragraph, Table
from xpmlp.report.numbers import write_csv
from xpmlp.report.part import Done, Part, Shown, Work
from xpmlp.report.parts.training import RUN, train_run
from xpmlp.report.words import counted
from xpmlp.training.trainer import load_data


def compute(work: Work) -> dict[str, Any]:
    """Train with the learning rate that Table 4 found best, and open the test set."""
    rate = work.needed["table4"].results["best"]
    train = work.settings.train.model_copy(update={"learning_rate": rate})
    result = train_run(work, work.settings.model_copy(update={"train": train}))
    test = result.run.test
    assert test is not None
    dataset = load_data(work.settings)
    assert dataset.test is not None
    write_csv(
        work.folder / "test.csv",
        ("figure", "coursework", "this_run"),
        [("loss", coursework.FINAL_LOSS, test.loss), ("accuracy", coursework.FINAL_ACCURACY, test.value)],
    )
    return {
        "learning_rate": rate,
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "trained_on": len(dataset.train),
        "tested_on": len(dataset.test),
        "loss": test.loss,
        "accuracy": test.value,
    }


def show(done: Done, quick: bool) -> Shown:
    """The score."""
    found = done.results
    verdicts = (
        [NOT_COMPARABLE] * 2
        if quick
        else [at_most(found["loss"], coursework.FINAL_LOSS), at_least(found["accuracy"], coursework.FINAL_ACCURACY)]
    )
    figures = [
        ("test loss", f"{coursework.FINAL_LOSS:.3f}", f"{found['loss']:.4f}", verdicts[0]),
        ("test accuracy", f"{coursework.FINAL_ACCURACY:.3f}", f"{found['accuracy']:.4f}", verdicts[1]),
    ]
    blocks: list[Block] = [
        Paragraph(
            f"Learning rate {found['learning_rate']:g}, the best of Table 4 by validation; trained on all "
            f"{found['trained_on']:,} images for {counted(found['epochs'], 'epoch')} with batches of "
            f"{found['batch_size']}. Only then were the {found['tested_on']:,} test images looked at, once: nothing "
            "was chosen by them. The network is in ",
            Code(done.source(RUN)),
            ".",
        ),
        Table(
            ("figure", "coursework", "this run", "verdict"),
            figures,
            "The final network on the test set.",
            [done.source("test.csv"), done.source(f"{RUN}/epochs.csv")],
            numeric=frozenset({1, 2}),
        ),
    ]
    return Shown(blocks, [Comparison("Final", *figure) for figure in figures])


PART = Part(
    "final",
    "The final network",
    compute,
    show,
    config="final",
    demands=(ONE_TRAINING, ONE_HIDDEN_LAYER, TEST, DIGITS, CLASSES),
    needs=("table4",),
    quick={"data.name": "digits", "train.epochs": 3},
)

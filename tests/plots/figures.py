"""Losses as a training writes them, and the contents of a figure of them."""

import numpy as np

HEADER = "run,epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate\n"
FILES = ["loss.png", "loss.svg", "epochs.png"]
TWO_EPOCHS = "0,1,1.5,0.5,1.2,0.6,0.01\n0,2,1.0,0.7,0.9,0.75,0.01\n"


def falling(steps, runs=None, seed=0):
    """Losses as a training leaves them: falling as 1 / step, with noise in proportion."""
    noise = np.random.default_rng(seed).gamma(4, 1 / 4, (steps,) if runs is None else (steps, runs))
    fall = 0.3 + 2.0 / (1 + np.arange(steps) / 50)
    return (fall if runs is None else fall[:, np.newaxis]) * noise


def legend(figure, panel=0):
    found = figure.axes[panel].get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


def sentences(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def lines(figure, panel=0):
    """The curves with a name in the legend, by that name."""
    named = [line for line in figure.axes[panel].get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): (line.get_xdata(), line.get_ydata()) for line in named}


def points(figure):
    """The batches' points, (series, points)."""
    return [line.get_ydata() for line in figure.axes[0].get_lines() if line.get_linestyle() == "None"]

"""Sections on a network's errors and its confidence, for classes and for values."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpmlp.pages.charts import Series, bars, chart
from xpmlp.pages.markup import Markup, data_block, element, figure, joined, paragraph, section, table
from xpmlp.pages.material import Floats, Material, Rows
from xpmlp.pages.measures import values_of
from xpmlp.training.decision import Decision, saved_decision

MOST_CLASSES = 20
"""Maximum number of classes in a confusion matrix; of more, the most common ones."""

BINS = 10
"""Number of bins of the calibration, by the probability of the most probable class."""


def probabilities(material: Material, rows: Rows) -> Floats:
    """Return the probability of each class, (n, n_classes)."""
    if rows.outputs.shape[1] == 1 and len(material.classes) == 2:
        return np.hstack([1 - rows.outputs, rows.outputs])
    return rows.outputs


def chosen(material: Material, rows: Rows) -> Any:
    """Return the class predicted for each example, (n,): the most probable one, or that of the decision rule."""
    decision = saved_decision(material.saved)
    if decision is None:
        return probabilities(material, rows).argmax(axis=1)
    return decision.choose(probabilities(material, rows))


def classes(material: Material, rows: Rows) -> Markup:
    """Show the confusion matrix, the figures of each class and the calibration."""
    given, labels = probabilities(material, rows), material.classes
    targets, decided = np.asarray(rows.part.targets).astype(int).ravel(), chosen(material, rows)
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(counts, (targets, decided), 1)
    common = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_CLASSES])
    shown, mine = counts[np.ix_(common, common)], np.eye(len(common), dtype=int)
    most = (int((shown * (1 - mine)).max(initial=1)), int((shown * mine).max(initial=1)))
    matrix = [
        (labels[row], *(_shaded(counts[row, column], most, row == column) for column in common)) for row in common
    ]
    head = ("true, below; predicted, beside", *(labels[column] for column in common))
    right, wanted, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    figures = []
    for place in common:
        precision, recall = _part(right[place], said[place]), _part(right[place], wanted[place])
        f1 = _part(2 * right[place], said[place] + wanted[place])
        figures.append((labels[place], f"{precision:.3f}", f"{recall:.3f}", f"{f1:.3f}", f"{wanted[place]:,}"))
    left = len(labels) - len(common)
    calibrated, error = calibration(given, targets)
    drawn = [figure(f"Calibration: expected calibration error {error:.4f}, {BINS} bins.", calibrated)]
    if len(labels) == 2:
        drawn += _of_two(given[:, 1], targets == 1, labels[1])
    return section(
        "classes",
        "Where it is wrong, and how sure it is",
        table("Confusion matrix: examples", head, matrix),
        table("Figures by class", ("class", "precision", "recall", "F1", "examples"), figures),
        paragraph(f"{left} rarer classes are left out.") if left else "",
        element("div", *drawn, class_="figures"),
        _threshold(given[:, 1], targets == 1, labels[1], saved_decision(material.saved)) if len(labels) == 2 else "",
    )


def _part(some: Any, all_of_them: Any) -> float:
    return float(some) / float(all_of_them) if all_of_them else 0.0


def _shaded(count: int, most: tuple[int, int], right: bool) -> Markup:
    """Make a cell shaded by its count relative to the largest of its kind, wrong or right."""
    shade = int(np.ceil(4 * count / most[int(right)]))
    return element("span", f"{count:,}", class_=f"cell {'right' if right else 'wrong'}{shade}")


def calibration(given: Floats, targets: Any) -> tuple[Markup, float]:
    """Draw the accuracy of the most probable class by its probability; also return the expected calibration error."""
    sure, right = given.max(axis=1), given.argmax(axis=1) == targets
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts = np.bincount(places, minlength=BINS).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        said, true = (np.bincount(places, one, BINS) / counts for one in (sure, right.astype(float)))
    error = float(np.nansum(np.abs(said - true) * counts) / counts.sum())
    drawn = chart(
        "How often the most probable class is right, by its probability",
        "probability of the most probable class",
        "part that is right",
        [Series("calibration", said, true)],
        diagonal=True,
        unit=True,
    )
    return drawn, error


def _of_two(given: Floats, yes: Any, label: str) -> list[Markup]:
    """Draw the ROC and precision-recall curves of two classes."""
    order = np.argsort(-given, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(given[order])), len(order) - 1)  # equal probabilities share a point
    hits, false = np.cumsum(yes[order])[ends], np.cumsum(~yes[order])[ends]
    positive, negative = max(int(yes.sum()), 1), max(int((~yes).sum()), 1)
    recall, fall_out = np.append(0, hits) / positive, np.append(0, false) / negative
    area = float(((recall[1:] + recall[:-1]) / 2 * np.diff(fall_out)).sum())
    precision = hits / (hits + false)
    roc = chart(
        "ROC curve",
        "false positive rate",
        "true positive rate",
        [Series("", fall_out, recall)],
        diagonal=True,
        unit=True,
    )
    trade = chart("Precision by recall", "recall", "precision", [Series("", hits / positive, precision)], unit=True)
    average = float((np.diff(np.append(0, hits / positive)) * precision).sum())
    return [
        figure(f"ROC of {label}: area {area:.4f}.", roc),
        figure(f"Precision and recall of {label}: average precision {average:.4f}.", trade),
    ]


def _threshold(given: Floats, yes: Any, label: str, decision: Decision | None) -> Markup:
    """Show the effect of other thresholds than the network's, with a slider."""
    thresholds, steps = np.arange(101) / 100, []
    decided = (decision or Decision(weights=(0.5, 0.5))).choose(np.stack([1 - thresholds, thresholds], axis=1))
    begin = max(int((decided == 0).sum()) - 1, 0)
    for threshold in thresholds:
        said = given > threshold
        hits = int((said & yes).sum())
        false, missed = int(said.sum()) - hits, int(yes.sum()) - hits
        accuracy = 1 - (false + missed) / max(len(yes), 1)
        precision, recall = _part(hits, hits + false), _part(hits, hits + missed)
        steps.append([f"{accuracy:.4f}", f"{precision:.4f}", f"{recall:.4f}", f"{false:,}", f"{missed:,}"])
    names = ("accuracy", "precision", "recall", "false alarms", "missed")
    slider = element("input", type="range", id="threshold", min=0, max=100, value=begin, aria_describedby="trade")
    shown = table(
        "What the threshold does",
        ("figure", "at this threshold"),
        zip(names, steps[begin], strict=True),
    )
    label_of = element(
        "label",
        f"Say {label} from a probability of ",
        element("output", f"{begin / 100:.2f}", id="at"),
        for_="threshold",
    )
    title, chosen = element("h3", "The threshold"), paragraph(label_of, " ", slider)
    return joined([title, chosen, element("div", shown, id="trade"), data_block("thresholds", steps)])


def values(material: Material, rows: Rows) -> Markup:
    """Show predicted against true values, residuals, and the error by size."""
    predicted, wanted = values_of(material, rows)
    errors = predicted - wanted
    names = material.saved.target_names
    parts: list[Markup] = []
    for column in range(min(wanted.shape[1], 4)):
        name = names[column] if column < len(names) else f"target {column + 1}"
        cloud = [Series(name, wanted[:, column], predicted[:, column], dots=True)]
        if not material.shown and material.table is not None:
            groups = max(min(50, len(wanted) // 10), 1)  # of ten rows or more, if any: no point shows a single row
            cloud = [_means(name, wanted[:, column], predicted[:, column], groups, dots=True)]
        heights, edges = np.histogram(errors[:, column], bins=24, range=_middle(errors[:, column]))
        scatter = chart(f"Predicted by true {name}", f"true {name}", "predicted", cloud, diagonal=True)
        residuals = bars(f"Residuals of {name}", "predicted less true", "examples", edges, heights.astype(float))
        size = _means("error", wanted[:, column], np.abs(errors[:, column]), min(10, len(wanted)))
        by_size = chart("Absolute error by size", f"true {name}, by tenths", "mean absolute error", [size], zero=True)
        grouped = "" if material.shown or material.table is None else ", means of ten examples or more of like size"
        drawn = [
            figure(f"{name}: predicted against true{grouped}.", scatter),
            figure(f"{name}: residuals, 99% of them.", residuals),
            figure(f"{name}: the mean absolute error in each tenth of the examples.", by_size),
        ]
        parts.append(element("div", *drawn, class_="figures"))
    return section("values", "Where it is wrong", *parts, _coverage(material, rows))


def _coverage(material: Material, rows: Rows) -> Markup | str:
    """Tabulate the fraction of true values below each predicted quantile; empty unless the loss is of quantiles."""
    settings = dict(material.saved.network.loss.settings)
    quantiles = settings.get("quantiles")
    if material.saved.network.loss.name != "quantile" or not quantiles:
        return ""
    wanted = np.asarray(rows.part.targets, dtype=np.float64).reshape(len(rows.part), -1)[:, :1]
    below = (wanted <= rows.outputs[:, : len(quantiles)]).mean(axis=0)
    listed = [(f"{asked:g}", f"{found:.3f}") for asked, found in zip(quantiles, below, strict=True)]
    return table("Coverage: the part of the true values that is below each quantile", ("quantile", "below"), listed)


def _middle(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _means(name: str, by: Floats, values: Floats, groups: int, *, dots: bool = False) -> Series:
    """Average ``by`` and ``values``, (n,) each, over groups of rows of like ``by`` and of equal numbers."""
    rows = np.array_split(np.argsort(by, kind="stable"), groups)
    x, y = (np.array([one[some].mean() for some in rows]) for one in (by, values))
    return Series(name, x, y, dots)

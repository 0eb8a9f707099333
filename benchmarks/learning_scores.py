"""Figures and pictures of `benchmarks.label_efficiency`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from trainer.bootstrap import Interval, f1, interval, resample
from trainer.dataset import Report
from trainer.evaluation import Found, count

LONG = 600
"""Characters; in the ECG test file four reports longer than this hold 40 % of the spans."""


def figures(reports: Sequence[Report], runs: Sequence[dict[str, Found]], labels: Sequence[str]) -> dict[str, Any]:
    """Mean strict micro F1 over the seeds, by what found the spans, each with its parts.

    `ci` is the 95 % interval of the mean by resampling test reports, the same ones for all seeds: it does not hold the
    spread of the seeds, which `seeds` shows. `per_report` is the mean F1 of single reports, `short` the micro F1
    without reports over 600 characters. Percent points are not used: all are 0..1.
    """
    counts = {
        name: np.stack([count(reports, run[name], labels).sum(axis=1) for run in runs], axis=1) for name in runs[0]
    }
    short = np.array([len(report.text) <= LONG for report in reports])
    return {
        "f1": {name: _rounded(f1(table.sum(axis=0)).mean()) for name, table in counts.items()},
        "ci": {
            name: [_rounded(end) for end in _ends(f1(resample(table)).mean(axis=1), len(reports))]
            for name, table in counts.items()
        },
        "seeds": {name: [_rounded(x) for x in f1(table.sum(axis=0))] for name, table in counts.items()},
        "per_report": {name: _rounded(_per_report(table)) for name, table in counts.items()},
        "short": {name: _rounded(f1(table[short].sum(axis=0)).mean()) for name, table in counts.items()},
    }


def _ends(values: Any, reports: int) -> Interval:
    """The interval of the resampled values; where they do not differ that value twice."""
    return interval(values, reports) or (float(values[0]), float(values[0]))


def _per_report(table: Any) -> float:
    """Mean F1 of the reports; nothing to find and nothing found is 1."""
    return float(np.where(table.sum(axis=-1) == 0, 1.0, f1(table)).mean())


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def table(results: dict[str, Any]) -> str:
    """Lines for people: a test set and a number of reports each."""
    lines = []
    for corpus, sizes in results.items():
        for n, row in sizes.items():
            cells = (
                f"{name} {100 * value:.1f} [{100 * row['ci'][name][0]:.0f}, {100 * row['ci'][name][1]:.0f}]"
                for name, value in row["f1"].items()
            )
            lines.append(f"{corpus:<14} {n:>5} reports  {'  '.join(cells)}  {row['seconds']:.0f} s")
    return "\n".join(lines)


def plot(results: dict[str, Any], path: Path) -> None:
    """One panel for each test set: F1 by number of reports, with the intervals."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(results), figsize=(5 * len(results), 4), sharey=True, squeeze=False)
    for axes, (corpus, sizes) in zip(panels[0], results.items(), strict=True):
        numbers = [int(n) for n in sizes]
        for name in next(iter(sizes.values()))["f1"]:
            middle = [row["f1"][name] for row in sizes.values()]
            ends = np.array([row["ci"][name] for row in sizes.values()]).T
            axes.plot(numbers, middle, marker="o", label=name)
            axes.fill_between(numbers, *ends, alpha=0.15)
        axes.set(title=corpus, xscale="log", xticks=numbers, xticklabels=numbers, xlabel="annotated reports")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0][0].set_ylabel("strict micro F1")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def mean_seconds(runs: Sequence[dict[str, Any]]) -> float:
    """Seconds of learning, mean over the seeds."""
    return round(fmean(run["seconds"] for run in runs), 1)

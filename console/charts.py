"""Charts, without any colour of the ground: Streamlit's theme sets that, and the marks are seen on both. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import altair as alt

from console.highlight import colour
from console.sentences import interval as interval_of
from console.words import Words

Row = dict[str, Any]
Chart = alt.LayerChart | alt.FacetChart
"""What Altair calls layered charts."""
MODES = {"tagger": "#8b5cf6", "rules": "#8b8d98", "model": "#3b82f6", "merged": "#12a26b"}
GREY = "#8b8d98"
HEIGHT = 300


def learning_curve(models: Iterable[Row], say: Words) -> Chart:
    """F1 by reports: a line for each mode, a point for what each round served, its interval where it has one."""
    rounds = [model for model in models if model["round"] and model["f1"] is not None]
    lines = [
        {"reports": r["reports"], "f1": f1, "mode": say.said(mode)}
        for r in rounds
        for mode, f1 in r["f1_by_mode"].items()
    ]
    points = [_point(r, say) for r in rounds]
    names = {mode: say.said(mode) for mode in MODES}
    scale = alt.Scale(domain=list(names.values()), range=list(MODES.values()))
    legend = alt.Color("mode:N", title=say("training.mode"), scale=scale, legend=alt.Legend(orient="bottom"))
    x = alt.X("reports:Q", title=say("training.reports"), axis=alt.Axis(tickMinStep=1))
    y = alt.Y("f1:Q", title=say("training.f1"), scale=alt.Scale(zero=False, nice=True))
    line = alt.Chart(_data(lines)).mark_line(strokeWidth=1.5, opacity=0.6).encode(x=x, y=y, color=legend)
    spread = (
        alt.Chart(_data([p for p in points if p["interval"]]))
        .mark_rule(strokeWidth=2, opacity=0.7)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=legend)
    )
    taken = alt.Scale(domain=[say("training.promoted"), say("training.kept")], range=["circle", "diamond"])
    grey = alt.Legend(orient="bottom", symbolFillColor=GREY)
    shape = alt.Shape("decision:N", title=say("training.decision"), scale=taken, legend=grey)
    titles = (("version", "training.version"), ("decision", "training.decision"), ("interval", "chart.interval"))
    tips = [alt.Tooltip(f"{name}:N", title=say(key)) for name, key in titles]
    tips.append(alt.Tooltip("f1:Q", title=say("training.f1"), format=".3f"))
    point = alt.Chart(_data(points)).mark_point(filled=True, size=90, opacity=1)
    return alt.layer(line, spread, point.encode(x=x, y=y, color=legend, shape=shape, tooltip=tips)).properties(
        height=HEIGHT
    )


def label_scores(by_label: dict[str, Row], say: Words) -> Chart:
    """F1 of each label as a bar with its number."""
    rows = [{"label": label, "colour": colour(label), **score} for label, score in by_label.items()]
    tips = [
        alt.Tooltip("label:N", title=say("chart.label")),
        *(alt.Tooltip(f"{name}:Q", title=say(f"chart.{name}"), format=".3f") for name in ("precision", "recall")),
        alt.Tooltip("support:Q", title=say("chart.support")),
    ]
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("f1:Q", title="F1", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("label:N", title=None, sort=list(by_label)),
        tooltip=tips,
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(color=alt.Color("colour:N", scale=None))
    numbers = base.mark_text(align="right", dx=-6, color="white", fontWeight="bold").encode(
        text=alt.Text("f1:Q", format=".2f")
    )
    return alt.layer(bars, numbers).properties(height=max(120, 46 * len(rows)))


def confusion(labels: list[str], counts: list[list[int]], ink: str, say: Words) -> Chart:
    """Gold labels in rows, predicted ones in columns, shaded by the share of the row; `ink` is the text's colour."""
    names = [*labels, say("errors.nothing")]
    whole = sum(map(sum, counts[:-1]))  # what was predicted where nothing is, in proportion to all there is
    rows = [
        {
            "gold": gold,
            "predicted": predicted,
            "count": count,
            "share": count / max(1, sum(row) if gold in labels else whole),
        }
        for gold, row in zip(names, counts, strict=True)
        for predicted, count in zip(names, row, strict=True)
    ]
    tips = [
        alt.Tooltip("gold:N", title=say("errors.gold")),
        alt.Tooltip("predicted:N", title=say("errors.predicted")),
        alt.Tooltip("count:Q", title=say("errors.count")),
        alt.Tooltip("share:Q", title=say("errors.share"), format=".1%"),
    ]
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("predicted:N", title=say("errors.predicted"), sort=names, axis=alt.Axis(labelAngle=0, orient="top")),
        y=alt.Y("gold:N", title=say("errors.gold"), sort=names),
        tooltip=tips,
    )
    opacity = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.9]), legend=None)
    cells = base.mark_rect(color="#3b82f6", stroke="rgba(128,128,128,.35)").encode(opacity=opacity)
    numbers = base.mark_text(color=ink, fontSize=14).encode(text="count:Q")
    return alt.layer(cells, numbers).properties(height=60 * len(names) + 40)


def _point(model: Row, say: Words) -> Row:
    """A round as a point, with the interval of its F1 where its card has one."""
    interval = interval_of(model["f1_interval"])
    low, high = interval or (model["f1"], model["f1"])
    return {
        "reports": model["reports"],
        "f1": model["f1"],
        "mode": say.said(model["mode"]),
        "low": low,
        "high": high,
        "interval": f"{low:.3f} – {high:.3f}" if interval else "",
        "version": model["version"],
        "decision": say("training.promoted") if model["promoted"] else say("training.kept"),
    }


def _data(rows: list[Row]) -> alt.InlineData:
    return alt.InlineData(values=rows)

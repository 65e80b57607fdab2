"""Reach: how far a document got."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui

from ragtrace.forensics import Outcome, Reach, outcome
from ragtrace.server.dashboard._levels import Levels
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard._map import told_beyond
from ragtrace.server.dashboard._reach import BARS, SHOWN, Reached
from ragtrace.server.dashboard.pages._colours import INK, OUTCOMES
from ragtrace.server.dashboard.pages._layout import nothing_yet, title
from ragtrace.server.dashboard.pages._parts import (
    action_badge,
    copyable,
    empty,
    figure,
    head,
    level_badge,
    link,
    when,
)
from ragtrace.server.dashboard.pages._tags import tag, tree
from ragtrace.server.dashboard.pages._words import moment, or_nobody, plural
from ragtrace.store import FlowRow

__all__ = ["draw_reach", "outcome_badge"]

_COLUMNS: Final = (
    "Time (UTC)", "Audience", "Session", "Stage", "Level", "Decision", "Outcome", "Rule", "Trace",
)  # fmt: skip
WORDS: Final[dict[Outcome, str]] = {
    "disclosed": "disclosed",
    "used": "used, not said",
    "kept_out": "kept out",
    "retrieved": "retrieved only",
}


def draw_reach(seen: Look, answer: Reached) -> None:
    """The page ``/reach``."""
    title(seen, "Reach", "Every retrieval that returned it, every prompt it was found in.")
    if not answer.stored:
        nothing_yet()
        return
    _search(answer.what)
    found = answer.found
    if found is None:
        empty(
            "What are you looking for?",
            "A document, a chunk, a digest, a URI or a source, spelled as it was recorded.",
        )
    elif not found.rows:
        empty(
            "It has reached nothing",
            f"No document, chunk, digest, URI or source is called “{answer.what}” here. Ids are "
            "compared as they are, upper and lower case too.",
        )
    else:
        _counts(found)
        _timeline(answer)
        _list(seen, found)


def outcome_badge(levels: Levels, flow: FlowRow) -> None:
    """What became of a flow; red where it told an audience what is above its clearance."""
    name = outcome(flow)
    if told_beyond(levels, flow):
        tag("span", "disclosed beyond clearance", "outcome beyond")
    else:
        tag("span", WORDS[name], f"outcome o-{name}")


def _search(what: str) -> None:
    with tag("form", "", "bar look", method="get", action="/reach"):
        tag(
            "input",
            name="what",
            type="search",
            value=what,
            placeholder="document, chunk, digest, URI or source",
            aria_label="document, chunk, digest, URI or source",
            autocomplete="off",
        )
        tag("button", "Look", "pill go", type="submit")


def _counts(found: Reach) -> None:
    counts = found.counts
    with tag("section", "", "card summary"):
        with tag("div", "", "subject"):
            tag("span", " and ".join(found.matched), "kind")
            copyable(found.what)
        with tag("div", "", "figures"):
            figure(counts.retrievals, "retrievals")
            figure(counts.prompts, "prompts")
            figure(counts.completions, "answers")
            figure(counts.sessions, "sessions")
            figure(counts.users, "users")
            for name, times in counts.outcomes.items():
                figure(times, WORDS[name], f"o-{name}")
        told = ", ".join(counts.audiences) or "nobody"
        tag("p", f"In prompts whose answers were read by {told}.")
        if not found.complete:
            tag("p", "There is more than a page can count; ragtrace reach counts all.", "below")


def _timeline(answer: Reached) -> None:
    names = [name for name in OUTCOMES if any(bar.outcomes[name] for bar in answer.bars)]  # type: ignore[index]
    if len(answer.bars) < 2:
        return
    with tag("section", "", "card"):
        chart = ui.echart(_options(answer, names), renderer="svg")
        chart.classes("timeline")


def _options(answer: Reached, names: list[str]) -> dict[str, Any]:
    return {
        "tooltip": {"trigger": "axis", "confine": True},
        "legend": {"top": 0, "left": 0, "itemWidth": 10, "itemHeight": 10, "itemGap": 18,
                   "textStyle": {"color": INK, "fontFamily": "inherit"}},
        "grid": {"left": 4, "right": 8, "top": 34, "bottom": 2, "containLabel": True},
        "xAxis": {
            "type": "category",
            "data": [moment(bar.start_ns) for bar in answer.bars],
            "axisLabel": {"color": INK, "interval": BARS // 4, "align": "left"},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": INK, "opacity": 0.4}},
        },
        "yAxis": {
            "type": "value",
            "minInterval": 1,
            "axisLabel": {"color": INK},
            "splitLine": {"lineStyle": {"color": INK, "opacity": 0.15}},
        },
        "series": [
            {
                "type": "bar",
                "stack": "flows",
                "name": WORDS[name],  # type: ignore[index]
                "data": [bar.outcomes[name] for bar in answer.bars],  # type: ignore[index]
                "itemStyle": {"color": OUTCOMES[name]},
                "barMaxWidth": 18,
            }
            for name in names
        ],
    }  # fmt: skip


def _list(seen: Look, found: Reach) -> None:
    newest = [row.flow for row in reversed(found.rows)][:SHOWN]
    with tag("section", "", "card scroll"), tree(), tag("table"):
        head(_COLUMNS)
        with tag("tbody"):
            for flow in newest:
                _row(seen, flow)
    if len(found.rows) > SHOWN:
        tag("p", f"The newest {SHOWN} of {plural(len(found.rows), 'flow')}.", "below centre")


def _row(seen: Look, flow: FlowRow) -> None:
    with tag("tr"):
        with tag("td"):
            when(flow.time_ns, seen.now_ns)
        tag("td", or_nobody(flow.audience))
        with tag("td"):
            if flow.session:
                link(flow.session, "/decisions?" + urlencode({"session": flow.session}))
        tag("td", flow.stage)
        with tag("td"):
            level_badge(seen.levels, flow.level)
        with tag("td"):
            action_badge(flow.action, flow.mode)
        with tag("td"):
            outcome_badge(seen.levels, flow)
        with tag("td"):
            tag("code", flow.rule, title=flow.reason)
        with tag("td"):
            link(flow.trace_id[:8], f"/trace/{flow.trace_id}#span-{flow.span_id}", "mono")

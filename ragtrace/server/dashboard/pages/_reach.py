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
from ragtrace.server.dashboard.pages._words import count, moment, or_nobody, plural
from ragtrace.store import AnyFlow, ReachRow

__all__ = ["draw_reach", "outcome_badge"]

_COLUMNS: Final = (
    "Time (UTC)", "Hop#", "Known by", "Audience", "Session", "User", "Stage", "Level", "Decision",
    "Outcome", "Rule", "Trace",
)  # fmt: skip
_SPLIT: Final = (
    "In the prompt", "Prompts#", "Answers#", "Sessions#", "Users#", "Disclosed#", "Used#",
)  # fmt: skip
WORDS: Final[dict[Outcome, str]] = {
    "disclosed": "disclosed",
    "used": "used, not said",
    "kept_out": "kept out",
    "retrieved": "retrieved only",
}


def draw_reach(seen: Look, answer: Reached) -> None:
    """The page ``/reach``."""
    title(seen, "Reach", "Every prompt it was found in, and what was made of it, hop by hop.")
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
            f"No document, chunk, digest, URI or source is called “{found.what}” here. Ids are "
            "compared as they are, upper and lower case too.",
        )
    else:
        _counts(seen, found)
        _grades(found)
        _timeline(answer)
        _list(seen, found)


def outcome_badge(levels: Levels, flow: AnyFlow) -> None:
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


def _counts(seen: Look, found: Reach) -> None:
    counts = found.counts
    with tag("section", "", "card summary"):
        with tag("div", "", "subject"):
            tag("span", " and ".join(found.matched) or "flows with", "kind")
            copyable(found.what)
            tag("span", f"asked {moment(seen.now_ns)} UTC", "asked")
        with tag("div", "", "figures"):
            figure(counts.retrievals, "retrievals")
            figure(counts.prompts, "prompts")
            figure(counts.completions, "answers")
            figure(counts.sessions, "sessions")
            figure(counts.users, "users")
            for name, times in counts.outcomes.items():
                figure(times, WORDS[name], f"o-{name}")
        told = ", ".join(counts.audiences) or "nobody"
        models = ", ".join(counts.models) or "models that nobody named"
        tag("p", f"In prompts whose answers were given by {models} and read by {told}.")
        if found.complete:
            tag("p", "The answer is complete: every flow that is stored was looked at.", "below")
        else:
            tag("p", "There is more than a page can count; ragtrace reach counts all.", "below")


def _grades(found: Reach) -> None:
    """The same numbers for the text itself and for what was made of it, and by grade."""
    splits = {
        "the text itself": found.direct,
        "only what was made of it": found.derived,
        **{f"known by: {grade}": counts for grade, counts in found.grades.items()},
    }
    with tag("section", "", "card scroll"), tree(), tag("table"):
        head(
            ("In the prompt", "Prompts#", "Answers#", "Sessions#", "Users#", "Disclosed#", "Used#")
        )
        with tag("tbody"):
            for name, counts in splits.items():
                told = counts.outcomes
                numbers = (
                    counts.prompts, counts.completions, counts.sessions, counts.users,
                    told["disclosed"], told["used"],
                )  # fmt: skip
                with tag("tr"):
                    tag("th", name, scope="row")
                    for number in numbers:
                        tag("td", count(number), "number")


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
    newest = list(reversed(found.rows))[:SHOWN]
    with tag("section", "", "card scroll"), tree(), tag("table"):
        head(_COLUMNS)
        with tag("tbody"):
            for row in newest:
                _row(seen, row)
    if len(found.rows) > SHOWN:
        tag("p", f"The newest {SHOWN} of {plural(len(found.rows), 'flow')}.", "below centre")


def _row(seen: Look, row: ReachRow) -> None:
    flow = row.flow
    with tag("tr"):
        with tag("td"):
            when(flow.time_ns, seen.now_ns)
        tag("td", str(row.hop), "number", title=_path(row))
        tag("td", row.grade, title=" and ".join(row.by))
        tag("td", or_nobody(flow.audience))
        with tag("td"):
            if flow.session:
                link(flow.session, "/decisions?" + urlencode({"session": flow.session}))
        tag("td", flow.user)
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


def _path(row: ReachRow) -> str:
    """The way to it in words, for who points at the number of hops."""
    steps = [
        f"made in trace {link.trace_id[:8]} ({link.evidence})"
        if link.trace_id
        else f"recorded as its origin ({link.evidence})"
        for link in row.path
    ]
    return ", then ".join(steps) or "the text itself"

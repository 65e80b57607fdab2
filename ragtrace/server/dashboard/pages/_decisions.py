"""The list of decisions, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.model import Action
from ragtrace.server.dashboard._asked import Asked
from ragtrace.server.dashboard._decisions import Decisions
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard.pages._layout import nothing_yet, title
from ragtrace.server.dashboard.pages._parts import (
    action_badge,
    empty,
    head,
    level_badge,
    link,
    when,
)
from ragtrace.server.dashboard.pages._tags import tag, tree
from ragtrace.server.dashboard.pages._words import count, or_nobody
from ragtrace.store import DecisionRow

__all__ = ["draw_decisions"]

_COLUMNS: Final = (
    "Time (UTC)", "Audience", "Stage", "Decision", "Why", "Chunks#", "Prompt", "Trace",
)  # fmt: skip


def draw_decisions(seen: Look, found: Decisions) -> None:
    """The page ``/decisions``."""
    asked = seen.asked
    assert asked is not None  # there is an answer, so the URL was read
    title(seen, "Decisions", "What was decided about each step, newest first.", periods=True)
    if not found.stored:
        nothing_yet()
        return
    _filters(asked, found)
    if not found.rows:
        empty(
            "No decisions here",
            "Nothing was decided in this time range and under these conditions. On what another "
            "tracer recorded nobody decides: look at the flow map.",
        )
        with tag("p", "", "centre"):
            link("All time, no conditions", "/decisions?since=all", "pill")
        return
    with tag("section", "", "card scroll"), tree(), tag("table"):
        head(_COLUMNS)
        with tag("tbody"):
            for row in found.rows:
                _row(seen, asked, row)
    with tag("nav", "", "pages", aria_label="More"):
        if "cursor" in asked.given:
            link("Newest", asked.url("/decisions"), "pill")
        if found.following is not None:
            link("Older", asked.url("/decisions", cursor=found.following), "pill")


def _filters(asked: Asked, found: Decisions) -> None:
    with tag("form", "", "bar filters", method="get", action="/decisions"):
        if "since" in asked.given:
            tag("input", type="hidden", name="since", value=asked.given["since"])
        _choice(asked, "action", list(Action))
        _choice(asked, "audience", found.choices.audiences)
        _choice(asked, "level", found.choices.levels)
        _choice(asked, "source", found.choices.sources)
        _choice(asked, "stage", ("retrieval", "prompt"))
        for name in ("document", "session"):
            tag(
                "input",
                name=name,
                type="text",
                value=asked.given.get(name, ""),
                placeholder=name,
                aria_label=name,
            )
        tag("button", "Show", "pill go", type="submit")
        if asked.narrowed():
            link("Clear", asked.url("/decisions", **dict.fromkeys(asked.narrowed())), "pill")


def _choice(asked: Asked, name: str, values: Sequence[str]) -> None:
    given = asked.given.get(name, "")
    known = list(dict.fromkeys([*values, *([given] if given else [])]))
    with tag("select", "", "set" if given else "", name=name, aria_label=name):
        tag("option", f"any {name}", value="")
        for value in known:
            chosen = {"selected": "selected"} if value == given else {}
            tag("option", value, value=value, **chosen)


def _row(seen: Look, asked: Asked, row: DecisionRow) -> None:
    with tag("tr"):
        with tag("td"):
            when(row.time_ns, seen.now_ns)
        with tag("td"):
            link(or_nobody(row.audience), asked.url("/decisions", audience=row.audience))
            if row.clearance:
                tag("div", f"cleared for {row.clearance}", "below one-line")
        with tag("td"):
            tag("div", row.stage)
            tag("div", row.service, "below")
        with tag("td"):
            action_badge(row.action, row.mode)
        with tag("td", "", "why"):
            if row.rule:
                with tag("a", "", "", href=asked.url("/decisions", rule=row.rule)):
                    tag("code", row.rule)
            tag("div", row.reason, "below")
        tag("td", count(row.flows), "number")
        with tag("td"):
            if row.prompt_level:
                level_badge(seen.levels, row.prompt_level)
        with tag("td"):
            link(row.trace_id[:8], f"/trace/{row.trace_id}#span-{row.span_id}", "mono")

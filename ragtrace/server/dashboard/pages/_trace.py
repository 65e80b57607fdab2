"""One trace: its steps, what flowed in each, and the prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from ragtrace.forensics import Step, TraceView, outcomes
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard._trace import Traced
from ragtrace.server.dashboard.pages._layout import title
from ragtrace.server.dashboard.pages._parts import (
    action_badge,
    copyable,
    figure,
    head,
    level_badge,
    link,
    when,
)
from ragtrace.server.dashboard.pages._prompt import draw_prompt
from ragtrace.server.dashboard.pages._reach import WORDS, outcome_badge
from ragtrace.server.dashboard.pages._tags import tag, tree
from ragtrace.server.dashboard.pages._words import moment, or_nobody, took
from ragtrace.store import ChainedStep, FlowRow
from ragtrace.wire import names

__all__ = ["draw_trace"]

_COLUMNS: Final = (
    "#", "Document", "Source", "Level", "Verdict", "Decision", "Outcome", "Why",
)  # fmt: skip


def draw_trace(seen: Look, answer: Traced) -> None:
    """The page ``/trace/{id}``."""
    view = answer.view
    title(seen, "Trace", "What each step was given, what was decided, and the prompt itself.")
    with tree():
        _summary(seen, view)
        _waterfall(view)
        for step in view.steps:
            call = answer.calls.get(step.span.span_id)
            if step.flows or call is not None:
                with tag("section", "", "card step", id=f"span-{step.span.span_id}"):
                    _heading(step)
                    for entry in answer.chained:
                        if entry.span_id == step.span.span_id:
                            tag("p", _linked(entry), "quiet")
                    if step.flows:
                        _flows(seen, step.flows)
                    if call is not None:
                        draw_prompt(seen, call)


def _linked(entry: ChainedStep) -> str:
    sealed = f"sealed {moment(entry.sealed_ns)}" if entry.sealed_ns else "not sealed yet"
    again = ", in the place of an earlier entry" if entry.supersedes else ""
    return f"In the chain: entry {entry.seq}, {sealed}{again}"


def _summary(seen: Look, view: TraceView) -> None:
    with tag("section", "", "card summary"):
        with tag("div", "", "subject"):
            copyable(view.trace_id)
            when(view.start_ns, seen.now_ns)
        with tag("dl"):
            for name, values in (
                ("Read by", [or_nobody(one) for one in view.audiences or ("",)]),
                ("Session", view.sessions),
                ("User", view.users),
            ):
                if values:
                    with tag("div"):
                        tag("dt", name)
                        tag("dd", ", ".join(values))
            with tag("div"):
                tag("dt", "Took")
                tag("dd", took(view.end_ns - view.start_ns))
        with tag("div", "", "figures"):
            every = outcomes(flow for step in view.steps for flow in step.flows)
            for name, times in every.items():
                figure(times, WORDS[name], f"o-{name}")


def _waterfall(view: TraceView) -> None:
    whole = max(1, view.end_ns - view.start_ns)
    with tag("section", "", "card scroll"), tag("table", "", "steps"):
        head(("Step", "Decision", "Duration#", ""))
        with tag("tbody"):
            for step in view.steps:
                span = step.span
                left = 100 * (span.start_ns - view.start_ns) / whole
                width = 100 * (span.end_ns - span.start_ns) / whole
                with tag("tr"):
                    with tag("td", style=f"padding-left: {20 + 22 * min(step.depth, 12)}px"):
                        if step.flows:
                            link(span.name or "unnamed", f"#span-{span.span_id}")
                        else:
                            tag("span", span.name or "unnamed", "quiet")
                        if span.status.lower().endswith("error"):
                            tag("span", span.attributes.get(names.ERROR_TYPE, "error"), "failed")
                    with tag("td"):
                        _overall(step)
                    tag("td", took(span.end_ns - span.start_ns), "number")
                    with tag("td", "", "bar-cell"):
                        place = f"margin-left: {left:.2f}%; width: max(3px, {width:.2f}%)"
                        tag("i", "", "duration", style=place)


def _overall(step: Step) -> None:
    said = step.span.attributes
    if names.DECISION_ACTION in said:
        action_badge(said[names.DECISION_ACTION], said.get(names.DECISION_MODE, ""))


def _heading(step: Step) -> None:
    said = step.span.attributes
    with tag("div", "", "step-title"):
        tag("h2", step.span.name or "unnamed")
        if names.DECISION_ACTION in said:
            _overall(step)
            tag("code", said.get(names.DECISION_RULE, ""))
            tag("span", said.get(names.DECISION_REASON, ""), "below")


def _flows(seen: Look, flows: Sequence[FlowRow]) -> None:
    with tag("div", "", "scroll"), tag("table"):
        head(_COLUMNS)
        with tag("tbody"):
            for flow in flows:
                with tag("tr"):
                    tag("td", str(flow.rank), "quiet")
                    with tag("td"):
                        url = "/reach?" + urlencode({"what": flow.document or flow.chunk_id})
                        link(flow.document or flow.chunk_id or "unnamed", url, "document")
                        if flow.uri:
                            tag("div", flow.uri, "below")
                    tag("td", flow.source)
                    with tag("td"):
                        level_badge(seen.levels, flow.level)
                        for name in flow.compartments:
                            tag("span", name, "compartment")
                        tag("div", flow.basis, "below wrap")
                    tag("td", flow.verdict)
                    with tag("td"):
                        action_badge(flow.action, flow.mode)
                    with tag("td"):
                        outcome_badge(seen.levels, flow)
                    with tag("td", "", "why"):
                        tag("code", flow.rule)
                        tag("div", flow.reason, "below")

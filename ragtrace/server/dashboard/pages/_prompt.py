"""A painted prompt: tinted by level, each stretch marked with the document it came from."""

from __future__ import annotations

from collections import Counter
from typing import Final
from urllib.parse import urlencode

from ragtrace.forensics import Stretch
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard._trace import Call
from ragtrace.server.dashboard.pages._parts import copyable, level_badge, link
from ragtrace.server.dashboard.pages._tags import tag
from ragtrace.server.dashboard.pages._words import plural
from ragtrace.store import FlowRow

__all__ = ["draw_prompt"]

SMALL: Final = 3
"""Characters: a stretch that is not longer gets no mark of its own; it would hide the text."""


def draw_prompt(seen: Look, call: Call) -> None:
    """The prompt of one model call, its legend, and the answer."""
    marks = {flow.ordinal: place + 1 for place, flow in enumerate(_painted(call))}
    with tag("div", "", "prompt"):
        with tag("div", "", "prompt-title"):
            tag("h3", "Prompt")
            level_badge(seen.levels, call.level)
            copyable(call.digest, call.digest[:12] + "…")
            if call.proved:
                tag("span", "put together again, digest proved", "proved")
            elif any(one.text for message in call.messages for one in message.stretches):
                tag("span", "some of its texts are missing", "below")
        if not any(message.stretches for message in call.messages):
            tag("p", _why_hidden(seen, call.level), "withheld")
        else:
            _legend(seen, call, marks)
        for message in call.messages:
            with tag("div", "", "message"):
                tag("div", message.role or "message", "role")
                with tag("div", "", "text"):
                    for stretch in message.stretches:
                        _stretch(seen, call, stretch, marks)
        if call.completion_digest:
            _answer(seen, call)


def _painted(call: Call) -> list[FlowRow]:
    """The flows that colour some of it, in the order in which they first do."""
    found: dict[int, FlowRow] = {}
    for message in call.messages:
        for stretch in message.stretches:
            if stretch.flow is not None:
                found.setdefault(stretch.flow.ordinal, stretch.flow)
    return list(found.values())


def _legend(seen: Look, call: Call, marks: dict[int, int]) -> None:
    sizes: Counter[int] = Counter()
    for message in call.messages:
        for stretch in message.stretches:
            sizes[-1 if stretch.flow is None else stretch.flow.ordinal] += stretch.length
    whole = max(1, sizes.total())
    with tag("ol", "", "sources"):
        for flow in _painted(call):
            tint = seen.levels.tint(flow.level)
            with tag("li", data_mark=str(marks[flow.ordinal])):
                tag("b", str(marks[flow.ordinal]), f"mark-number l{tint}")
                name = flow.document or flow.chunk_id or "unnamed"
                link(name, "/reach?" + urlencode({"what": name}), "document")
                level_badge(seen.levels, flow.level)
                share = 100 * sizes[flow.ordinal] / whole
                words = plural(sizes[flow.ordinal], "character")
                tag("span", f"{words}, {share:.0f} %", "below")
        if sizes[-1]:
            with tag("li"):
                tag("b", "", "mark-number plain")
                tag("span", "no document that was observed")
                share = 100 * sizes[-1] / whole
                tag("span", f"{plural(sizes[-1], 'character')}, {share:.0f} %", "below")


def _stretch(seen: Look, call: Call, stretch: Stretch, marks: dict[int, int]) -> None:
    flow = stretch.flow
    if stretch.text is None:
        level = flow.level if flow is not None else call.level
        with tag("span", "", f"hidden l{seen.levels.tint(level)}"):
            if flow is not None:
                tag("b", str(marks[flow.ordinal]), "mark-number")
            tag("span", _hidden(seen, call, stretch))
        return
    if flow is None:
        tag("span", stretch.text, "literal")
        return
    mark = str(marks[flow.ordinal])
    tint = seen.levels.tint(flow.level)
    with tag("span", "", f"stretch l{tint}", title=_title(flow), data_mark=mark):
        if stretch.length > SMALL:
            tag("b", mark, "mark-number", aria_hidden="true")
        tag("span", stretch.text)


def _title(flow: FlowRow) -> str:
    decided = flow.action or "nobody decided"
    if flow.mode == "shadow":
        decided += " (shadow)"
    return (
        f"{flow.document or 'unnamed document'}\nchunk {flow.chunk_id}\nsource {flow.source}\n"
        f"level {flow.level or 'none'} by {flow.basis or 'nobody'}\n"
        f"verdict {flow.verdict or 'none'}, decision {decided}"
    )


def _hidden(seen: Look, call: Call, stretch: Stretch) -> str:
    size = plural(stretch.length, "character")
    flow = stretch.flow
    if flow is None:
        return f"{size}: {_why_hidden(seen, call.level)}"
    kind = f"a {flow.level} document" if flow.level else "an unlabelled document"
    return f"{size} of {kind}: {_why_hidden(seen, flow.level)}"


def _why_hidden(seen: Look, level: str) -> str:
    levels = seen.access.levels
    if levels is not None and level not in levels:
        return f"your clearance is {', '.join(sorted(levels)) or 'for no text'}"
    return "the text is not kept (RAGTRACE_CONTENT=full sends it, the vault's key keeps it)"


def _answer(seen: Look, call: Call) -> None:
    with tag("div", "", "message answer"):
        with tag("div", "", "role"):
            tag("span", "answer")
            if call.completion_level:
                level_badge(seen.levels, call.completion_level)
        if call.completion is None:
            level = call.completion_level or call.level
            tag("div", _why_hidden(seen, level), "text withheld")
        else:
            tag("div", call.completion, "text")

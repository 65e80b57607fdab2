"""The flow map: sources, levels and audiences as a Sankey diagram, and as a table."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from nicegui import ui

from ragtrace.server.dashboard._asked import Asked
from ragtrace.server.dashboard._levels import Levels
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard._map import Edge, FlowMap
from ragtrace.server.dashboard.pages._colours import ALARM, INK, TINT
from ragtrace.server.dashboard.pages._layout import nothing_yet, title
from ragtrace.server.dashboard.pages._parts import (
    action_badge,
    empty,
    head,
    level_badge,
    link,
    when,
)
from ragtrace.server.dashboard.pages._tags import shown, tag, tree
from ragtrace.server.dashboard.pages._words import count, or_nobody, plural

__all__ = ["draw_map"]

FOLLOW: Final = "(event) => event.data && event.data.href && location.assign(event.data.href)"
"""A click on the diagram leads to the list behind it."""
_STAGES: Final = {"prompt": "Found in prompts", "retrieval": "Retrieved"}
_COLUMNS: Final = (
    "Source", "Level", "Audience", "Decision", "Flows#", "Prompts#", "Beyond clearance#", "Last",
)  # fmt: skip


def draw_map(seen: Look, found: FlowMap) -> None:
    """The page ``/map``."""
    asked = seen.asked
    assert asked is not None  # there is an answer, so the URL was read
    title(seen, "Flow map", "Which sources reach whom, under which label.", periods=True)
    _stages(asked, found)
    if not found.edges:
        _nothing(asked, found)
        return
    beyond = sum(edge.beyond for edge in found.edges)
    if beyond:
        with tag("p", "", "alarm"):
            tag("strong", plural(beyond, "flow"))
            tag("span", " told an audience text above its clearance.")
    with tag("section", "", "card map"):
        chart = ui.echart(_options(asked, found, seen.levels), renderer="svg")
        chart.classes("sankey").on("componentClick", js_handler=FOLLOW)
        chart.style(f"height: {_height(found)}px")
    _table(seen, asked, found)


def _stages(asked: Asked, found: FlowMap) -> None:
    with tag("div", "", "bar"):
        with tag("nav", "", "pills", aria_label="Stage"):
            for stage, name in _STAGES.items():
                here = " here" if stage == found.stage else ""
                link(name, asked.url("/map", stage=stage), f"pill{here}")
        for name, value in asked.narrowed().items():
            if name != "stage":
                link(f"{name}: {value} ✕", asked.url("/map", **{name: None}), "pill set")
        with tag("span", "", "legend"):
            tag("i", "", "swatch alarm-swatch")
            tag("span", "told beyond clearance")
            tag("span", "dashed", "action a-none shadow")
            tag("span", "only recorded")


def _nothing(asked: Asked, found: FlowMap) -> None:
    if not found.stored:
        nothing_yet()
        return
    empty("No flows here", "Nothing in this time range and under these conditions.")
    with tag("p", "", "centre"):
        link("All time, no conditions", "/map?since=all", "pill")


def _height(found: FlowMap) -> int:
    """Pixels: enough for the tallest column."""
    names = [
        {edge.edge.source for edge in found.edges},
        {edge.edge.level for edge in found.edges},
        {edge.edge.audience for edge in found.edges},
    ]
    return min(900, max(280, 64 * max(map(len, names))))


# A name may be of a source, a level and an audience at once. What sets the nodes apart is
# not seen: one and two zero-width spaces.
_SOURCE, _LEVEL, _AUDIENCE = "", "\u200b", "\u200b\u200b"


def _options(asked: Asked, found: FlowMap, levels: Levels) -> dict[str, Any]:
    return {
        "tooltip": {"trigger": "item", "confine": True},
        "animation": False,
        "series": [
            {
                "type": "sankey",
                "left": 8,
                "right": 130,
                "top": 12,
                "bottom": 12,
                "nodeWidth": 14,
                "nodeGap": 18,
                "layoutIterations": 0,  # levels stay in the order of their strictness
                "draggable": False,
                "label": {"color": INK, "fontSize": 13, "fontFamily": "inherit", "width": 120,
                          "overflow": "truncate"},
                "emphasis": {"focus": "adjacency"},
                "lineStyle": {"opacity": 0.42, "curveness": 0.5},
                "data": _nodes(asked, found, levels),
                "links": _links(asked, found, levels),
            }
        ],
    }  # fmt: skip


def _nodes(asked: Asked, found: FlowMap, levels: Levels) -> list[dict[str, Any]]:
    """The three columns from top to bottom: least restricted levels, and what feeds them, first."""
    edges = [one.edge for one in found.edges]
    strictness = {name: (levels.rank(name), name) for name in {e.level for e in edges}}
    made = [
        (_LEVEL + _level(name), TINT[levels.tint(name)], {"level": name})
        for name in sorted(strictness, key=strictness.__getitem__)
    ]
    for prefix, names, word in (
        (_SOURCE, {e.source for e in edges}, "source"),
        (_AUDIENCE, {e.audience for e in edges}, "audience"),
    ):
        lowest = {
            name: (min(strictness[e.level] for e in edges if getattr(e, word) == name), name)
            for name in names
        }
        called = _source if word == "source" else or_nobody
        made += [
            (prefix + called(name), INK, {word: name})
            for name in sorted(lowest, key=lowest.__getitem__)
        ]
    return [
        {
            "name": shown(name),
            "itemStyle": {"color": colour, "borderWidth": 0},
            "href": _behind(asked, found.stage, **narrow),
        }
        for name, colour, narrow in made
    ]


def _links(asked: Asked, found: FlowMap, levels: Levels) -> list[dict[str, Any]]:
    into: Counter[tuple[str, str]] = Counter()
    out: Counter[tuple[str, str]] = Counter()
    beyond: Counter[tuple[str, str]] = Counter()
    for one in found.edges:
        into[one.edge.source, one.edge.level] += one.edge.flows
        out[one.edge.level, one.edge.audience] += one.edge.flows - one.beyond
        beyond[one.edge.level, one.edge.audience] += one.beyond
    links = [
        {
            "source": shown(_SOURCE + _source(source)),
            "target": shown(_LEVEL + _level(level)),
            "value": flows,
            "lineStyle": {"color": TINT[levels.tint(level)]},
            "href": _behind(asked, found.stage, source=source, level=level),
        }
        for (source, level), flows in into.items()
    ]
    for counts, alarm in ((out, False), (beyond, True)):
        links += [
            {
                "source": shown(_LEVEL + _level(level)),
                "target": shown(_AUDIENCE + or_nobody(audience)),
                "value": flows,
                "lineStyle": {
                    "color": ALARM if alarm else TINT[levels.tint(level)],
                    "opacity": 0.85 if alarm else 0.42,
                },
                "href": _behind(asked, found.stage, level=level, audience=audience),
            }
            for (level, audience), flows in counts.items()
            if flows
        ]
    return links


def _behind(asked: Asked, stage: str, **narrow: str) -> str:
    """The list behind a part of the map; what has no name cannot be asked for."""
    return asked.url("/decisions", stage=stage, **{k: v for k, v in narrow.items() if v})


def _source(name: str) -> str:
    return name or "unnamed source"


def _level(name: str) -> str:
    return name or "unlabelled"


def _table(seen: Look, asked: Asked, found: FlowMap) -> None:
    with tag("section", "", "card scroll"), tree(), tag("table"):
        head(_COLUMNS)
        with tag("tbody"):
            for one in found.edges:
                _row(seen, asked, found.stage, one)


def _row(seen: Look, asked: Asked, stage: str, one: Edge) -> None:
    edge = one.edge
    with tag("tr", "", "alarmed" if one.beyond else ""):
        with tag("td"):
            link(_source(edge.source), _behind(asked, stage, source=edge.source))
        with tag("td"):
            level_badge(seen.levels, edge.level)
        with tag("td"):
            link(or_nobody(edge.audience), _behind(asked, stage, audience=edge.audience))
        with tag("td"):
            action_badge(edge.action, edge.mode)
        with tag("td", "", "number"):
            url = _behind(
                asked,
                stage,
                source=edge.source,
                level=edge.level,
                audience=edge.audience,
                action=edge.action,
            )
            link(count(edge.flows), url)
        tag("td", count(edge.prompts) if edge.prompts else "", "number")
        tag("td", count(one.beyond) if one.beyond else "", "number beyond")
        with tag("td"):
            when(edge.last_ns, seen.now_ns)

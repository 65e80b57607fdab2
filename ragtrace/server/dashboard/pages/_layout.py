"""Layout: what stands around every page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nicegui import ui

from ragtrace.server.dashboard._asked import PERIODS, Asked
from ragtrace.server.dashboard._look import Look
from ragtrace.server.dashboard.pages._parts import empty, link
from ragtrace.server.dashboard.pages._tags import shown, tag
from ragtrace.store import OWNER, FlowFilter

__all__ = ["layout", "nothing_yet", "title"]

_NAVIGATION: Final = {"map": "Flow map", "decisions": "Decisions", "reach": "Reach"}
_PERIODS: Final = {"1h": "1 h", "24h": "24 h", "7d": "7 d", "30d": "30 d", "all": "All"}


@contextmanager
def layout(seen: Look) -> Iterator[None]:
    """The header, then the page, or why there is none."""
    names = {**_NAVIGATION, "trace": "Trace"}
    ui.page_title(shown(f"{names[seen.place.page]} · ragtrace"))
    with tag("div", "", "shell"):
        _header(seen)
        with tag("main"):
            if seen.problem:
                title(seen, names[seen.place.page])
                empty(_problem_title(seen.status), seen.problem)
            yield


def title(seen: Look, text: str, below: str = "", *, periods: bool = False) -> None:
    """The heading of a page, its time ranges, and the way to its data."""
    asked = seen.asked or Asked({}, FlowFilter(), "")
    path = f"/{seen.place.page}" + (f"/{seen.place.name}" if seen.place.name else "")
    with tag("div", "", "title"):
        with tag("div"):
            tag("h1", text)
            if below:
                tag("p", below)
        with tag("div", "", "tools"):
            if periods:
                with tag("nav", "", "pills", aria_label="Time range"):
                    for period in PERIODS:
                        here = " here" if asked.period == period else ""
                        url = asked.url(path, since=period, until=None)
                        link(_PERIODS[period], url, f"pill{here}")
            link("JSON", asked.url(f"{path}.json"), "pill")


def nothing_yet() -> None:
    """What to do where nothing is stored."""
    empty(
        "Nothing has arrived yet",
        "Point OTEL_EXPORTER_OTLP_ENDPOINT of your application at this server, and run it with "
        "ragtrace run -- or any OpenTelemetry tracer.",
        "To see what it looks like: ragtrace demo --keep demo",
    )


def _header(seen: Look) -> None:
    with tag("header"):
        with tag("a", "", "brand", href="/map"):
            tag("span", "", "mark")
            tag("span", "ragtrace")
        with tag("nav", "", "main", aria_label="Pages"):
            for page, name in _NAVIGATION.items():
                link(name, f"/{page}", "here" if page == seen.place.page else "")
        with tag("form", "", "search", method="get", action="/reach", role="search"):
            tag(
                "input",
                name="what",
                type="search",
                placeholder="Reach of a document, chunk, digest, URI or source",
                aria_label="Reach of a document, chunk, digest, URI or source",
                autocomplete="off",
            )
        tag("span", seen.access.name, "who", title="Who you are here")
        if seen.access is not OWNER:
            with tag("form", "", "leave", method="post", action="/login"):
                tag("input", type="hidden", name="leave", value="1")
                tag("button", "Sign out", "pill", type="submit")
        tag(
            "button", "◐", "theme", type="button", title="Light or dark", aria_label="Light or dark"
        )


def _problem_title(status: int) -> str:
    return {400: "That cannot be asked so", 404: "There is no such trace"}.get(
        status, "The store does not answer"
    )

"""Parts: the badges, ids, times and tables that every page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ragtrace.server.dashboard._levels import Levels
from ragtrace.server.dashboard.pages._tags import tag
from ragtrace.server.dashboard.pages._words import ago, count, moment

__all__ = ["action_badge", "copyable", "empty", "figure", "head", "level_badge", "link", "when"]

_ACTIONS: Final = {
    "allow": "may be used and said",
    "context_only": "may be used, not said",
    "redact": "restricted parts were taken out",
    "drop": "never left the retriever",
    "block": "the model was not called",
    "": "another tracer's span: nobody decided",
}


def level_badge(levels: Levels, level: str) -> None:
    """A label's level, in its tint."""
    if level:
        tag("span", level, f"level l{levels.tint(level)}")
    else:
        tag("span", "unlabelled", "level none")


def action_badge(action: str, mode: str = "") -> None:
    """A decision; dashed where it was only recorded."""
    known = action if action in _ACTIONS else "other"
    shadow = mode == "shadow"
    words = _ACTIONS.get(action, "") + (" (in shadow: only recorded)" if shadow else "")
    look = f"action a-{known or 'none'}{' shadow' if shadow else ''}"
    tag("span", action or "not judged", look, title=words)


def when(ns: int, now_ns: int) -> None:
    """A time in UTC, and how long ago that was."""
    with tag("span", "", "when"):
        tag("time", f"{moment(ns)}", datetime=f"{moment(ns).replace(' ', 'T')}Z")
        tag("span", ago(ns, now_ns), "ago")


def copyable(text: str, shown: str = "") -> None:
    """An id, and a button that copies it whole."""
    with tag("span", "", "id"):
        tag("code", shown or text, title=text)
        tag("button", "", "copy", type="button", data_copy=text, title="Copy", aria_label="Copy")


def link(text: str, url: str, look: str = "") -> None:
    """A link to a page of ours."""
    assert url.startswith(("/", "#"))  # an address out of the data is never one to follow
    tag("a", text, look, href=url)


def head(columns: Sequence[str]) -> None:
    """The head of a table; a name that ends in ``#`` is of numbers."""
    with tag("thead"), tag("tr"):
        for name in columns:
            tag("th", name.rstrip("#"), "number" if name.endswith("#") else "", scope="col")


def figure(number: int, name: str, look: str = "") -> None:
    """A number that is to be seen first."""
    with tag("div", "", f"figure {look}"):
        tag("strong", count(number))
        tag("span", name)


def empty(title: str, *lines: str) -> None:
    """What to do where there is nothing to see."""
    with tag("div", "", "empty"):
        tag("h2", title)
        for line in lines:
            tag("p", line)

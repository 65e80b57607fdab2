"""Answers: a whole answer of the provider, without what may not be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ragtrace.capture import Call, Path, leaves, replaced
from ragtrace_openai._endpoint import Endpoint

__all__ = ["Answer", "usage", "without_tokens"]

_REPEATS: Final = "logprobs"
"""The key under which an answer is held once more, token by token."""

_TOKENS: Final = (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens"))


@dataclass(frozen=True, slots=True)
class _Said:
    """One of several answers: where its texts stand.

    Attributes:
        spoken: What a reader reads, one behind the other.
        aside: The rest, such as reasoning and what tools are given; each is by itself.
    """

    spoken: Sequence[Path]
    aside: Sequence[Path]


class Answer:
    """A body that the provider has answered with."""

    def __init__(self, endpoint: Endpoint, body: dict[str, Any]) -> None:
        self._body = body
        self._texts = dict(leaves(body))
        self._said = list(_said(endpoint, body, self._texts))

    def guarded(self, call: Call, *, stored: bool = False) -> dict[str, Any]:
        """The body as ``call`` lets it leave; the very same where nothing may not be said.

        Args:
            call: What was asked.
            stored: Whether it was made for somebody before this, and nobody knows whom.
        """
        if not (call.armed or stored):
            return self._body
        body, done = self._body, set()
        for said in self._said:
            texts = self._kept(call, said, stored=stored)
            for path, text in zip([*said.spoken, *said.aside], texts, strict=True):
                body = self._with(body, path, text)
                done.add(path)
        # What it repeats of the question, for example.
        rest = _Said((), [path for path in self._texts if path not in done])
        for path, text in zip(rest.aside, self._kept(call, rest, stored=stored), strict=True):
            body = self._with(body, path, text)
        return body if body is self._body else without_tokens(body)

    def record(self, call: Call) -> None:
        """Note with ``call`` what the caller is given."""
        for said in self._said:
            spoken = "".join(self._texts[path] for path in said.spoken)
            call.record(spoken, *(self._texts[path] for path in said.aside))
        if (told := usage(self._body)) is not None:
            call.used(*told)

    @property
    def texts(self) -> list[str]:
        """Everything that it says."""
        return [self._texts[path] for said in self._said for path in (*said.spoken, *said.aside)]

    def _kept(self, call: Call, said: _Said, *, stored: bool) -> list[str]:
        spoken = [self._texts[path] for path in said.spoken]
        aside = [self._texts[path] for path in said.aside]
        if stored:
            kept = call.cached(*spoken, aside=aside)
            spoken, aside = kept[: len(spoken)], kept[len(spoken) :]
        return [*call.whole(*spoken), *(call.whole(text)[0] for text in aside)]

    def _with(self, body: dict[str, Any], path: Path, text: str) -> dict[str, Any]:
        if text == self._texts[path]:
            return body
        changed: dict[str, Any] = replaced(body, path, text)
        return changed


def usage(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """The tokens that the provider has counted, in and out."""
    told = body.get("usage")
    if not isinstance(told, Mapping):
        return None
    for keys in _TOKENS:
        asked, said = (told.get(key) for key in keys)
        if isinstance(asked, int) and isinstance(said, int):
            return asked, said
    return None


def without_tokens(value: Any) -> Any:
    """``value`` without what repeats the answer token by token."""
    if isinstance(value, list):
        return [without_tokens(item) for item in value]
    if isinstance(value, Mapping):
        return {
            key: (None if item is None or isinstance(item, Mapping) else [])
            if key == _REPEATS
            else without_tokens(item)
            for key, item in value.items()
        }
    return value


def _said(
    endpoint: Endpoint, body: Mapping[str, Any], texts: Mapping[Path, str]
) -> Iterator[_Said]:
    if endpoint is Endpoint.RESPONSES:
        inside = [path for path in texts if path[0] == "output" and _is_text(path)]
        spoken = [path for path in inside if path[2:3] == ("content",) and path[-1] == "text"]
        spoken = [path for path in spoken if body["output"][path[1]].get("type") == "message"]
        yield _Said(spoken, [path for path in inside if path not in spoken])
        return
    choices = body.get("choices")
    for place, _ in enumerate(choices if isinstance(choices, list) else ()):
        inside = [path for path in texts if path[:2] == ("choices", place) and _is_text(path)]
        spoken = [path for path in inside if _is_spoken(path[2:])]
        yield _Said(spoken, [path for path in inside if path not in spoken])


def _is_spoken(path: Path) -> bool:
    return path == ("text",) or path[:2] == ("message", "content")


def _is_text(path: Path) -> bool:
    """Whether something is said there, and not what kind of answer this is."""
    return _REPEATS not in path and path[-1] not in ("role", "status", "finish_reason", "phase")

"""Events: a streamed answer piece by piece, every text guarded on a channel of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ragtrace.capture import TEXT, Call, leaves, replaced, unread
from ragtrace_openai._answers import usage, without_tokens
from ragtrace_openai._endpoint import Endpoint

__all__ = ["Events"]

Json = dict[str, Any]
Shape = Callable[[str], Json]
"""An event that has a text where it was found."""

_PLACE: Final = ("item_id", "output_index", "content_index", "summary_index")
"""Keys by which an event of a response says what it goes on with."""

_BYTES: Final = ("response.audio", "response.output_audio")
"""What is said on these is no text."""


class Events:
    """The events of one answer, in order.

    A channel is a place in the answer: its text, the arguments of its second tool call. What is
    held back of one leaves before the event that ends it.

    Attributes:
        LAST: Types of events after which nothing of the answer comes.
        answer: What is known of the answer as a whole.
    """

    LAST: Final = frozenset(
        {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
        | {"error"}
    )

    def __init__(self, endpoint: Endpoint, call: Call) -> None:
        self._call = call
        self._walk = self._of_response if endpoint is Endpoint.RESPONSES else self._of_choices
        self._shapes: dict[str, Shape] = {}
        self._whole: dict[str, str] = {}
        self._heard: dict[str, list[str]] | None = None
        self._text: str | None = None
        self.answer: Json = {}

    def seen(self, event: Json) -> Iterator[Json]:
        """What may leave now that ``event`` has arrived."""
        if (told := usage(event)) is not None:
            self._call.used(*told)
        yield from self._walk(event)

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Note what is seen inside by channel, and not piece by piece: it has left already."""
        self._heard = {}
        try:
            yield
        finally:
            heard, self._heard = self._heard, None
            for channel, texts in heard.items():
                self._call.say("".join(texts), channel)

    def rest(self) -> Iterator[Json]:
        """What was held back and turned out harmless; nothing arrives after it."""
        yield from self._release()

    def _release(self, *channels: str) -> Iterator[Json]:
        for channel, text in self._call.rest(*channels).items():
            yield self._shapes[channel](text)

    # --- chat completions and completions ----------------------------------------------------

    def _of_choices(self, event: Json) -> Iterator[Json]:
        self.answer.setdefault("id", event.get("id"))
        choices = event.get("choices")
        if not isinstance(choices, list):
            yield self._kept(event)
            return
        head = {key: value for key, value in event.items() if key not in ("choices", "usage")}
        said = []
        for choice in choices:
            index = choice.get("index", 0)
            blank = {"index": index, "finish_reason": None}
            parts = {
                key: self._said(choice[key], (index, key), _choice(head, blank, key))
                for key in ("delta", "text")
                if key in choice
            }
            rest = {key: item for key, item in choice.items() if key not in parts}
            said.append({**self._kept(rest), **parts})
            if choice.get("finish_reason") is not None and self._call.armed:
                if over := self._of_choice(index):
                    yield from self._release(*over)
        yield without_tokens({**event, "choices": said}) if self._call.armed else event

    def _of_choice(self, index: Any) -> list[str]:
        first = [TEXT] if index == 0 else []
        return [*first, *(name for name in self._shapes if name.startswith(f"{index} "))]

    def _said(self, value: Any, path: tuple[Any, ...], shape: Shape) -> Any:
        """The value with every text in it guarded, each on the channel of its place."""
        if isinstance(value, str):
            is_text = path in ((0, "delta", "content"), (0, "text"))
            return self._say(value, TEXT if is_text else " ".join(map(str, path)), shape)
        if isinstance(value, list):
            return [
                self._said(item, (*path, _place(item, at)), _listed(shape, _place(item, at)))
                for at, item in enumerate(value)
            ]
        if not isinstance(value, Mapping):
            return value
        return {
            key: item
            if key == "role" or unread(key, value, path)
            else self._said(item, (*path, key), _keyed(shape, key))
            for key, item in value.items()
        }

    # --- responses ---------------------------------------------------------------------------

    def _of_response(self, event: Json) -> Iterator[Json]:
        kind, delta = str(event.get("type")), event.get("delta")
        if isinstance(event.get("response"), dict):
            self.answer = event["response"]
            if (told := usage(self.answer)) is not None:
                self._call.used(*told)
        what, _, step = kind.rpartition(".")
        if step == "delta" and isinstance(delta, str):
            if not what.startswith(_BYTES):
                event = self._delta(what, event, delta)
            yield event
            return
        if not self._call.armed:
            yield event
            return
        if step == "done" and (channel := self._channel(what, event)) in self._shapes:
            yield from self._release(channel)
        if kind in self.LAST:
            yield from self.rest()
        yield self._kept(event)

    def _delta(self, what: str, event: Json, delta: str) -> Json:
        if what == "response.output_text" and self._text is None:
            self._text = self._named(what, event)
        said = self._say(delta, self._channel(what, event), lambda text: {**event, "delta": text})
        return without_tokens({**event, "delta": said}) if self._call.armed else event

    def _channel(self, what: str, event: Json) -> str:
        name = self._named(what, event)
        return TEXT if name == self._text else name

    def _named(self, what: str, event: Json) -> str:
        return " ".join([what, *(str(event.get(key)) for key in _PLACE)])

    def _kept(self, event: Json) -> Json:
        """An event that says something whole, without what may not be said."""
        if not self._call.armed:
            return event
        out = event
        for path, text in leaves(event):
            if text not in self._whole:  # the same is told of a part, its item and the response
                self._whole[text] = self._call.whole(text)[0]
            if self._whole[text] != text:
                out = replaced(out, path, self._whole[text])
        return out if out is event else without_tokens(out)

    def _say(self, text: str, channel: str, shape: Shape) -> str:
        if self._heard is not None:
            self._heard.setdefault(channel, []).append(text)
            return text
        self._shapes[channel] = shape
        return self._call.say(text, channel)


def _place(item: Any, at: int) -> Any:
    """By what an item of a list is known again in a later event."""
    return item.get("index", at) if isinstance(item, Mapping) else at


def _choice(head: Json, blank: Json, key: str) -> Shape:
    def shape(said: Any) -> Json:
        return {**head, "choices": [{**blank, key: said}]}

    return shape


def _listed(shape: Shape, place: Any) -> Shape:
    def within(said: Any) -> Json:
        return shape([{"index": place, **said} if isinstance(said, dict) else said])  # type: ignore[arg-type]

    return within


def _keyed(shape: Shape, key: str) -> Shape:
    def within(said: Any) -> Json:
        return shape({key: said})  # type: ignore[arg-type]

    return within

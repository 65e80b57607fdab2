"""Answers: what a model has said, whole or in pieces, without what may not be said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llama_index.core.base.llms.types import CompletionResponse, TextBlock

from ragtrace.capture import TEXT, Call, Path, leaves, replaced
from ragtrace_llamaindex._parts import Parts, is_spoken

__all__ = ["Pieces", "filtered", "usage"]

_INCREMENT: Final = "thinking_delta"
"""Key under which a piece of a stream has what was thought since the last. What else is in a piece
is all of it so far, unless it does not begin as it did before."""


_ARGUMENTS: Final = ("arguments",)
"""Where the arguments of a tool call stand; below it every string is read."""


def usage(answer: Any) -> tuple[int, int] | None:
    """Tokens that the provider has counted, in and out, if it says."""
    counted = [answer.additional_kwargs, getattr(answer.raw, "usage", None)]
    if isinstance(answer.raw, Mapping):
        counted.append(answer.raw.get("usage"))
    for one in counted:
        told = one if isinstance(one, Mapping) else getattr(one, "__dict__", {})
        tokens = told.get("prompt_tokens"), told.get("completion_tokens")
        if isinstance(tokens[0], int) and isinstance(tokens[1], int):
            return tokens[0], tokens[1]
    return None


def filtered(answer: Any, call: Call) -> Any:
    """A whole answer without what may not be said; the same object where nothing is kept back."""
    parts = Parts([answer])
    spoken, aside = parts.spoken, parts.aside
    texts = [message.text for message in parts.messages]
    kept = [*call.whole(*parts.texts(spoken)), *(_without(texts[at], call) for at in aside)]
    for at, text in zip([*spoken, *aside], kept, strict=True):
        texts[at] = text
    (said,) = parts.rebuilt(texts)
    return answer if said is answer else _without_copies(said)


def _without(text: str, call: Call) -> str:
    """A text that is not for reading; of arguments, which are JSON, what stands in them."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict | list):
        return call.whole(text)[0]
    changed = value
    for path, said in leaves(value, _ARGUMENTS):
        (kept,) = call.whole(said)
        if kept != said:
            changed = replaced(changed, path[len(_ARGUMENTS) :], kept)
    return text if changed is value else json.dumps(changed)


def _without_copies(answer: Any) -> Any:
    """Without the provider's own answer, which has what was taken out, and without its tokens."""
    return answer.model_copy(update={"raw": None, "logprobs": None})


def _plain(piece: Any, text: str, new: str) -> Any:
    """A piece that says ``text``, ``new`` last; ``None`` where there is more in it than text.

    Most are so, and a reader waits for each.
    """
    changed = {"delta": new if piece.delta is not None else None, "raw": None, "logprobs": None}
    if isinstance(piece, CompletionResponse):
        plain = not piece.additional_kwargs
        return piece.model_copy(update={**changed, "text": text}) if plain else None
    message = piece.message
    if piece.additional_kwargs or message.additional_kwargs or len(message.blocks) != 1:
        return None
    if type(message.blocks[0]) is not TextBlock:
        return None
    message = message.model_copy(update={"blocks": [TextBlock.model_construct(text=text)]})
    return piece.model_copy(update={**changed, "message": message})


class Pieces:
    """The pieces of one streamed answer; each has what is new and all of it so far.

    Every text in them is guarded on a channel of its own: the text, the arguments of the second
    tool call, the reasoning. What is held back of any leaves in a piece of its own at the end.

    Args:
        call: Guards.
        listener: Before the name of each channel where it is not the caller who gets the pieces.
    """

    def __init__(self, call: Call, listener: str) -> None:
        self._call = call
        self._listener = listener
        self._raw: dict[str, str] = {}  # by channel, what has arrived
        self._out: dict[str, str] = {}  # and what may be told of it
        self._last: Any = None
        self._closed = False

    def said(self, piece: Any) -> Any:
        """What may leave of a piece; the piece itself where nothing is kept back."""
        self._last = piece
        new = piece.delta if piece.delta is not None else self._new(piece)
        said = self._say(new, TEXT)
        self._raw[TEXT] = self._raw.get(TEXT, "") + new
        self._out[TEXT] = self._out.get(TEXT, "") + said
        if not self._call.armed:
            return piece
        if (plain := _plain(piece, self._out[TEXT], said)) is not None:
            return plain
        guarded = _without_copies(self._with_texts(piece, self._arrived))
        return guarded.model_copy(update={"delta": said if piece.delta is not None else None})

    def tail(self) -> Iterator[Any]:
        """One piece more with everything that turned out harmless, if there is any."""
        if self._last is None:
            return
        self._note_asides()
        held = self._rest()
        if held:
            for channel, text in held.items():
                self._out[channel] = self._out.get(channel, "") + text
            last = self._with_texts(self._last, lambda channel, text: self._out.get(channel, ""))
            yield _without_copies(last).model_copy(update={"delta": held.get(TEXT, "")})

    def close(self) -> None:
        """Note what is not for reading, also of a stream that was left early."""
        if self._last is None:
            return
        self._note_asides()
        if (counted := usage(self._last)) is not None:
            self._call.used(*counted)

    def _note_asides(self) -> None:
        if self._closed or self._call.armed:
            return
        self._closed = True
        self._with_texts(self._last, self._arrived)

    def _with_texts(self, piece: Any, text_of: Any) -> Any:
        """The piece with other texts in it: all of the text in the first place for it."""
        out, told = piece, False
        for (_, path), message in zip(*_parts_of(piece), strict=True):
            if is_spoken(piece, path):
                text = "" if told else self._out.get(TEXT, "")
                told = True
            else:
                text = text_of(_channel(piece, path), message.text)
            if text != message.text or self._call.armed:
                # Also where they are the same: providers let earlier pieces grow.
                out = replaced(out, path, text)
        return out

    def _arrived(self, channel: str, text: str) -> str:
        """What may be told of a text that has grown, or that goes on where the last one ended."""
        before = self._raw.get(channel, "")
        self._raw[channel] = text
        if channel.endswith(_INCREMENT) or not text.startswith(before):
            self._out[channel] = self._say(text, channel)
        else:
            said = self._say(text[len(before) :], channel)
            self._out[channel] = self._out.get(channel, "") + said
        return self._out[channel]

    def _new(self, piece: Any) -> str:
        parts = Parts([piece])
        text = "".join(parts.texts(parts.spoken))
        before = self._raw.get(TEXT, "")
        return text[len(before) :] if text.startswith(before) else text

    def _say(self, text: str, channel: str) -> str:
        mine = self._listener == ""
        return self._call.say(text, self._listener + channel, noted=mine)

    def _rest(self) -> dict[str, str]:
        channels = [self._listener + channel for channel in (TEXT, *self._out)]
        held = self._call.rest(*dict.fromkeys(channels), noted=self._listener == "")
        return {name.removeprefix(self._listener): text for name, text in held.items()}


def _parts_of(piece: Any) -> tuple[list[tuple[int, Path]], tuple[Any, ...]]:
    parts = Parts([piece])
    return parts.places, parts.messages


def _channel(piece: Any, path: Path) -> str:
    """A name for the place of a text, the same in every piece.

    Blocks are counted by kind: one of another kind may come before them later.
    """
    if "blocks" not in path:
        return " ".join(map(str, path))
    at = path.index("blocks") + 1
    blocks = piece.message.blocks
    kinds = [getattr(block, "block_type", "") for block in blocks[: int(path[at]) + 1]]
    return " ".join(map(str, (kinds[-1], kinds.count(kinds[-1]), *path[at + 1 :])))

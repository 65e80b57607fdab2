"""Chunks: the pieces of a streamed answer, without what may not be said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from ragtrace.capture import TEXT, Call, unread
from ragtrace_langchain._held import held

__all__ = ["Chunks", "note_usage", "without_tokens", "words_of"]

Shape = Callable[[Any], Any]
"""Puts a text where in a message it was found."""

_REPEATS: Final = ("logprobs",)
"""Keys of what is told about an answer that hold it once more, token by token."""

_BESIDE: Final = (
    *("tool_call_chunks", "tool_calls", "invalid_tool_calls"),
    *("additional_kwargs", "usage_metadata"),
)
"""Fields of a chunk that are empty where it is words and nothing else."""

_IDENTITY: Final = ("type", "index")
"""Keys by which LangChain finds the block of an earlier chunk that a later one continues."""


def without_tokens(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is told about an answer, without the answer itself."""
    return {key: value for key, value in (told or {}).items() if key not in _REPEATS}


def note_usage(call: Call, message: BaseMessage) -> None:
    """Note the tokens that a message says were used, if it does."""
    usage = held(message, "usage_metadata") or {}
    if "input_tokens" in usage and "output_tokens" in usage:
        call.used(usage["input_tokens"], usage["output_tokens"])


class Chunks:
    """The chunks of one answer; every text in them is guarded on a channel of its own.

    A channel is a place in the answer: its text, the arguments of its second tool call, the
    summary in its reasoning block. What is held back of one leaves in the last chunk.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._shapes: dict[str, Shape] = {TEXT: _chunk}

    def guarded(self, message: BaseMessage) -> AIMessageChunk:
        """The chunk with every text in it guarded."""
        note_usage(self._call, message)
        if not isinstance(message, AIMessageChunk):
            message = AIMessageChunk(content=message.content, id=message.id)
        return AIMessageChunk(
            content=self._content(message.content),
            tool_call_chunks=[self._arguments(call) for call in message.tool_call_chunks],
            additional_kwargs={
                key: self._say(value, f"kwargs {key}", _kwarg(key))
                # Whatever has parts is the provider's own copy of the answer.
                for key, value in message.additional_kwargs.items()
                if isinstance(value, str)
            },
            response_metadata=without_tokens(message.response_metadata),
            usage_metadata=message.usage_metadata,
            id=message.id,
            name=message.name,
            chunk_position=message.chunk_position,
        )

    def note(self, message: BaseMessage) -> None:
        """Note every text of a chunk that leaves as it is."""
        note_usage(self._call, message)
        self._content(message.content)
        for call in getattr(message, "tool_call_chunks", ()):
            self._arguments(call)
        for key, value in message.additional_kwargs.items():
            self._walk(value, ("kwargs", key), _kwarg(key))

    def with_rest(self, message: BaseMessage, rest: Mapping[str, str]) -> BaseMessage:
        """The last chunk with what was held back of each channel put behind it."""
        for channel, text in rest.items():
            message = cast("BaseMessage", message + self._shapes[channel](text))
        return message

    def _say(self, text: str, channel: str, shape: Shape) -> str:
        self._shapes[channel] = shape
        return self._call.say(text, channel)

    def _content(self, content: Any) -> Any:
        if isinstance(content, str):
            return self._say(content, TEXT, _chunk)
        return [
            self._say(block, TEXT, lambda text: _chunk([text]))
            if isinstance(block, str)
            else self._walk(block, (str(block.get("type")),), lambda said: _chunk([said]))
            for block in content
        ]

    def _walk(self, value: Any, path: tuple[str, ...], shape: Shape) -> Any:
        """The value with every text in it guarded, each on the channel of its place."""
        if isinstance(value, str):
            return self._say(value, TEXT if path == ("text", "text") else " ".join(path), shape)
        if isinstance(value, list):
            return [
                self._walk(item, (*path, str(place)), lambda said: shape([said]))
                for place, item in enumerate(value)
            ]
        if not isinstance(value, dict):
            return value
        same = {key: value[key] for key in _IDENTITY if key in value}
        # Text goes on from one block of it to the next; of anything else each is by itself.
        if "index" in value and value.get("type") != "text":
            path = (*path, str(value["index"]))
        return {
            key: item
            if unread(key, value, path)
            else self._walk(item, (*path, str(key)), _within(shape, same, key))
            for key, item in value.items()
        }

    def _arguments(self, call: ToolCallChunk) -> ToolCallChunk:
        args, index = call["args"], call["index"]
        if args is None:
            return call
        if index is None:  # nothing could be put behind it: it is whole
            (said,) = self._call.whole(args)
            self._call.record("", said)
        else:
            said = self._say(args, f"args {index}", _argument(index))
        return tool_call_chunk(name=call["name"], args=said, id=call["id"], index=index)


def words_of(message: BaseMessage) -> str | None:
    """The text of a chunk that is a string and nothing else, as almost all are."""
    if type(message) is not AIMessageChunk or message.__pydantic_extra__:
        return None
    fields = message.__dict__
    for name in _BESIDE:
        if fields[name]:
            return None
    told = fields["response_metadata"]
    if told and not told.keys().isdisjoint(_REPEATS):
        return None
    content = fields["content"]
    return content if type(content) is str else None


def _chunk(content: Any) -> AIMessageChunk:
    return AIMessageChunk(content=content)


def _kwarg(key: str) -> Shape:
    return lambda text: AIMessageChunk(content="", additional_kwargs={key: text})


def _argument(index: Any) -> Shape:
    return lambda text: AIMessageChunk(
        content="", tool_call_chunks=[tool_call_chunk(name=None, args=text, id=None, index=index)]
    )


def _within(shape: Shape, same: dict[str, Any], key: str) -> Shape:
    return lambda said: shape({**same, key: said})

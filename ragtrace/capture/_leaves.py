"""Leaves: the strings in a message that are text, where they stand, and others in their place."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

__all__ = ["Path", "leaves", "replaced", "unread"]

Path = tuple[str | int, ...]
"""Keys and places that lead from a value to a string in it."""

_FREE: Final = frozenset({"args", "arguments", "input", "json", "tool_kwargs"})
"""Keys of what a tool is given or gives. Below them every key is the application's own: one that
is called ``data`` or ``id`` is as good a place for a sentence as any."""

_PROTOCOL: Final = frozenset(
    {"type", "id", "index", "mime_type", "media_type", "source_type"}
    | {"block_type", "tool_name", "role"}
)
"""Keys by which providers and frameworks know blocks. They are compared, not read to a model, and
a provider refuses a message in which one of them was changed."""

_SEALED: Final = (
    *("_id", "Id", "signature", "Signature"),
    *("encrypted_content", "encrypted_index", "redactedContent", "mimetype"),
)
"""Ends of the keys of references and seals, such as ``call_id``, ``toolUseId`` and
``thought_signature``: the same holds for them."""

_MEDIA: Final = frozenset(
    {"data", "base64", "url", "image_url", "audio_url", "video_url", "file_url"}
    | {"file_data", "file_uri", "fileUri"}
)
"""Keys under which a block of media has its bytes, or the place where they are."""

_HOLDERS: Final = frozenset(
    {"image", "image_url", "input_image", "audio", "audio_url", "input_audio"}
    | {"video", "video_url", "file", "input_file", "media", "base64", "url"}
    | {"inline_data", "inlineData", "file_data", "fileData", "redacted_thinking"}
)
"""Types of blocks of media, or the keys under which one without a type stands."""

_WRITTEN: Final = "text/"
"""Media that are text begin so: what stands in them is read."""


def unread(key: Any, block: Mapping[Any, Any], path: Sequence[str | int]) -> bool:
    """Whether what stands under ``key`` is no text: no model is shown it as words.

    Args:
        key: One of the keys of ``block``.
        block: A content block, a tool call, or something inside of one.
        path: Where ``block`` stands.
    """
    if not _FREE.isdisjoint(path):
        return False
    if key in _PROTOCOL or str(key).endswith(_SEALED):
        return True
    if key == "name":
        return not _FREE.isdisjoint(block)  # of a tool: it must stay one that there is
    return key in _MEDIA and _holds_media(block, path)


def _holds_media(block: Mapping[Any, Any], path: Sequence[str | int]) -> bool:
    kind = block.get("type", path[-1] if path else None)
    mime = block.get("mime_type") or block.get("media_type")
    return str(kind) in _HOLDERS and not str(mime).startswith(_WRITTEN)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in ``value``, in order, and where it stands."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from leaves(item, (*path, place))
    elif (fields := _fields(value)) is not None:
        for key, item in fields.items():
            if not unread(key, fields, path):
                yield from leaves(item, (*path, key))


def replaced(value: Any, path: Path, text: str) -> Any:
    """``value`` with another text at ``path``; nothing that it shares is changed."""
    if not path:
        return text
    first, *rest = path
    if not isinstance(value, list | dict):
        inside = replaced(getattr(value, str(first)), tuple(rest), text)
        return value.model_copy(update={first: inside})
    changed: Any = copy.copy(value)
    changed[first] = replaced(changed[first], tuple(rest), text)
    return changed


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """What stands in a dictionary, or in a pydantic model, which some frameworks make blocks of."""
    if isinstance(value, dict):
        return value
    return dict(value) if hasattr(type(value), "model_fields") else None

"""Asked: every text in the body of a request, in order, and the body with other texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ragtrace.capture import Path, leaves, replaced
from ragtrace.model import Message
from ragtrace_openai._endpoint import Endpoint

__all__ = ["Asked"]

_WRITTEN: Final = "arguments"
"""The key under which what a tool is given stands as JSON in a string."""


class Asked:
    """The texts that a model is asked with: contents, their parts, arguments and results of tools.

    Attributes:
        messages: One ``Message`` for every text, in order.
    """

    def __init__(self, endpoint: Endpoint, body: Mapping[str, Any]) -> None:
        self._body = dict(body)
        self._paths: list[tuple[Path, Path]] = []
        found: list[Message] = []
        for role, root in endpoint.roots(body):
            for path, text in leaves(_opened(_at(body, root), root[-1]), root[-1:]):
                self._paths.append((root, path[1:]))
                found.append(Message(role, text))
        self.messages = tuple(found)

    def rebuilt(self, texts: Sequence[Message]) -> dict[str, Any]:
        """The body with ``texts`` in place of its own; what is unchanged is the same object."""
        body = self._body
        for (root, path), before, after in zip(self._paths, self.messages, texts, strict=True):
            if before.text != after.text:
                given = _at(body, root)
                said = replaced(_opened(given, root[-1]), path, after.text)
                body = replaced(body, root, _closed(said, given))
        return body


def _at(value: Any, path: Path) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key]
        else:
            return None
    return value


def _opened(value: Any, key: Any = None) -> Any:
    """``value`` with the arguments of tools as what they are written of."""
    if isinstance(value, str):
        if key != _WRITTEN:
            return value
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return read if isinstance(read, dict | list) else value
    if isinstance(value, list):
        return [_opened(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _opened(item, name) for name, item in value.items()}
    return value


def _closed(value: Any, given: Any) -> Any:
    """The same with the arguments written as they were."""
    if isinstance(given, str):
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(given, list):
        return [_closed(*pair) for pair in zip(value, given, strict=True)]
    if isinstance(given, Mapping):
        return {name: _closed(value[name], item) for name, item in given.items()}
    return value

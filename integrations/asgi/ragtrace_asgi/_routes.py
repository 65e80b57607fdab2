"""Routes: which path is for whom, and who says so there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from ragtrace.errors import ConfigError
from ragtrace_asgi._caller import Caller, agreed, unknown
from ragtrace_asgi._claims import Claims, Scope
from ragtrace_asgi._unknown import UnknownCaller

__all__ = ["Routes", "Source"]

Source = str | Claims
"""The name of an audience, or who names it."""

_ODD: Final = re.compile(r"//|/\.{1,2}(/|$)|[\\\x00-\x1f]")
"""In a path that one reader takes for this place and another for that."""


class Routes:
    """Patterns of paths, the first that fits counts.

    Args:
        routes: A star in a pattern stands for any text. Of several sources all must say the same.

    Raises:
        ConfigError: There are none, or one is something else.
    """

    def __init__(self, routes: Mapping[str, Source | Sequence[Source]]) -> None:
        if not isinstance(routes, Mapping) or not routes:
            raise ConfigError('AsgiMiddleware: routes: expected some, as {"/chat/*": "customer"}')
        self._routes = [(_pattern(path), _sources(path, said)) for path, said in routes.items()]

    async def caller(self, scope: Scope) -> Caller:
        """Who has sent the request of this scope; the unknown one where nobody can say."""
        try:
            sources = self._of(str(scope.get("path", "")))
            return agreed([await _said(source, scope) for source in sources])
        except UnknownCaller as error:
            return unknown(error.why)

    def _of(self, path: str) -> Sequence[Source]:
        if not _ODD.search(path):
            for pattern, sources in self._routes:
                if pattern.fullmatch(path):
                    return sources
        raise UnknownCaller("no-route")


async def _said(source: Source, scope: Scope) -> Caller:
    return Caller(source, "route") if isinstance(source, str) else await source.caller(scope)


def _pattern(path: str) -> re.Pattern[str]:
    if not isinstance(path, str) or not path.startswith(("/", "*")):
        raise ConfigError(
            f"AsgiMiddleware: routes: expected a path that begins with /, got {path!r}"
        )
    return re.compile(".*".join(map(re.escape, path.split("*"))), re.DOTALL)


def _sources(path: str, said: Source | Sequence[Source]) -> Sequence[Source]:
    sources = [said] if isinstance(said, str | Claims) else list(said or ())
    if not sources or not all(isinstance(one, str | Claims) and one for one in sources):
        raise ConfigError(
            f"AsgiMiddleware: routes: {path}: expected the name of an audience, Claims, or several"
        )
    return sources

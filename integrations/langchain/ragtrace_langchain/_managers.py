"""Managers: what providers tell callbacks of a stream before anybody has looked at it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

__all__ = ["manager", "overheard"]

_NAME: Final = "run_manager"
_PLACE: Final = 1
"""Leaf methods take it by name, or third after the prompt and the stop words."""

Tell = Callable[[Any], Any] | None
"""Tells callbacks of a chunk, if there are any to be told; what comes back is to be awaited if
the manager is async.
"""


def manager(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The run manager that a leaf method is called with, if any."""
    return kwargs.get(_NAME, args[_PLACE] if len(args) > _PLACE else None)


def overheard(
    armed: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Tell, tuple[Any, ...], dict[str, Any]]:
    """The arguments of a leaf with a run manager nobody hears, and who tells in its stead.

    A provider tells its run manager of each token before it yields it. Where something may
    not be said, callbacks are told of the guarded chunks instead, by us.
    """
    heard = manager(args, kwargs)
    if not armed or heard is None:
        return None, args, kwargs
    unheard = copy.copy(heard)
    unheard.handlers = []
    if _NAME in kwargs:
        kwargs = {**kwargs, _NAME: unheard}
    else:
        args = (*args[:_PLACE], unheard, *args[_PLACE + 1 :])
    return lambda chunk: heard.on_llm_new_token(chunk.text, chunk=chunk), args, kwargs

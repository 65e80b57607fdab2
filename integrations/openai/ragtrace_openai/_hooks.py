"""Hooks: the two methods of a client through which every call of the SDK passes.

``request`` has the body as it is sent, whatever method it was made by: ``create``, ``parse``,
``stream``, ``with_raw_response``, a bare ``post``. ``_process_response`` has the answer before
anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openai._base_client import AsyncAPIClient, SyncAPIClient

from ragtrace.capture import Patches
from ragtrace_openai._exchange import Exchange

__all__ = ["hook_clients"]

Method = Callable[..., Any]


def hook_clients(patches: Patches) -> None:
    """Judge every body before it is sent, and guard every answer before it is read."""
    for owner, name, wrap in (
        (SyncAPIClient, "request", _request),
        (SyncAPIClient, "_process_response", _process),
        (AsyncAPIClient, "request", _arequest),
        (AsyncAPIClient, "_process_response", _aprocess),
    ):
        patches.method(owner, name, wrap)


def _request(original: Method) -> Method:
    def request(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = Exchange.open(client, options)
        if exchange is None:
            return original(client, cast_to, options, *args, **kwargs)
        if exchange.blocked:
            return client._process_response(**_refused(exchange, client, cast_to, kwargs))
        with exchange.sending():
            return original(client, cast_to, exchange.options, *args, **kwargs)

    return request


def _arequest(original: Method) -> Method:
    async def request(client: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = Exchange.open(client, options)
        if exchange is None:
            return await original(client, cast_to, options, *args, **kwargs)
        if exchange.blocked:
            return await client._process_response(**_refused(exchange, client, cast_to, kwargs))
        with exchange.sending():
            return await original(client, cast_to, exchange.options, *args, **kwargs)

    return request


def _refused(exchange: Exchange, client: Any, cast_to: Any, kwargs: dict[str, Any]) -> Any:
    """What the SDK makes its answer of where nothing is sent."""
    response, options = exchange.refusal(), exchange.options
    return {
        "cast_to": client._maybe_override_cast_to(cast_to, options),
        "options": options,
        "response": response,
        "stream": kwargs.get("stream", False),
        "stream_cls": kwargs.get("stream_cls"),
    }


def _process(original: Method) -> Method:
    def process(client: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["response"] = Exchange.response(kwargs["response"])
        return original(client, *args, **kwargs)

    return process


def _aprocess(original: Method) -> Method:
    async def process(client: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs["response"] = Exchange.response(kwargs["response"])
        return await original(client, *args, **kwargs)

    return process

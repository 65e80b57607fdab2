"""Scope: what an ``Access`` may see, as conditions of SQL; made here and nowhere else.

A statement names the tables it reads as ``FROM flows WHERE {may_flows} AND …``, and this puts
the conditions in. A statement that reads a table without asking is not run at all.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ragtrace.store._access import Access

__all__ = ["UnscopedError", "scoped"]

TABLES: Final = (
    "flows",
    "reached",
    "derived",
    "steps",
    "decisions",
    "otel_traces",
    "contents",
    "chain",
    "heads",
    "readings",
    "shreds",
)
"""Tables with rows of tenants or texts of levels, and those that tell of them."""

_UNSCOPED: Final = re.compile(
    rf"\b(?:FROM|JOIN)\s+({'|'.join(TABLES)})\b(?!(?:\s+FINAL)?\s+WHERE \{{may_\1\}})"
)

_OF_TENANTS: Final = re.compile(
    r"\b(FROM|JOIN)\s+(flows|reached|derived|steps|decisions|otel_traces)\s+WHERE (?=\{may_)"
)
"""Reads of tables whose rows have a tenant, where the engine has not been asked to merge them."""

_TENANTS: Final = "{access_tenants:Array(String)}"
_LEVELS: Final = "{access_levels:Array(String)}"
_DIGESTS: Final = "{digests:Array(String)}"
"""The digests that a statement asks for, where it asks for some."""

_PLAIN: Final = (
    "error.type",
    "gen_ai.conversation.id",
    "gen_ai.data_source.id",
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.request.stream",
    "gen_ai.response.id",
    "gen_ai.response.model",
    "gen_ai.retrieval.top_k",
    "gen_ai.system",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "llm.model_name",
    "llm.provider",
    "openinference.span.kind",
    "session.id",
    "user.id",
)
_PLAIN_PREFIXES: Final = ("ragtrace.", "llm.token_count.")
"""Attributes that hold no text of anybody, whoever wrote the span; any other might."""

_PLAIN_RESOURCE: Final = ("cloud.", "deployment.", "k8s.", "service.", "telemetry.")
"""What a program says of itself; a command line, for one, may hold anything."""


class UnscopedError(AssertionError):
    """A statement reads a table and does not ask who may see its rows: a fault of ours."""


def scoped(
    query: str, access: Access, *, replaces_spans: bool = True
) -> tuple[str, dict[str, Any]]:
    """Give the statement that answers only with what ``access`` may see, and its parameters.

    Who sees some tenants is asked about rows as merged: the newest version of a row says whose it
    is, and an older one, of another tenant, is nobody's any more.

    Args:
        query: With places for the conditions.
        access: Who asks.
        replaces_spans: Whether the table of spans has versions; a Collector's own has none.

    Raises:
        UnscopedError: It reads a table without ``WHERE {may_TABLE}``.
    """
    unscoped = _UNSCOPED.search(query)
    if unscoped is not None:
        raise UnscopedError(f"FROM {unscoped[1]}: expected WHERE {{may_{unscoped[1]}}} behind it")
    if access.tenants is not None:
        query = _OF_TENANTS.sub(lambda read: _merged(read, replaces_spans), query)
    places = {
        "{may_flows}": _of_tenants("Tenant", access),
        "{may_reached}": _of_tenants("Tenant", access),
        "{may_derived}": _of_tenants("Tenant", access),
        "{may_steps}": _of_tenants("Tenant", access),
        "{may_decisions}": _of_tenants("Tenant", access),
        "{may_chain}": _of_tenants("Tenant", access),
        "{may_heads}": "1" if access.reads else "0",  # numbers and hashes, of no tenant
        "{may_otel_traces}": _of_tenants("SpanAttributes['ragtrace.tenant']", access),
        "{may_contents}": _of_levels(access, among=_DIGESTS in query),
        "{may_all}": _of_all(access),
        "{may_readings}": _of_all(access),
        "{may_shreds}": _of_all(access),
        **_columns(access),
    }
    for place, condition in places.items():
        query = query.replace(place, condition)
    return query, {
        "access_tenants": sorted((access.tenants or frozenset()) - {""}),
        "access_levels": sorted((access.levels or frozenset()) - {""}),
    }


def _merged(read: re.Match[str], replaces_spans: bool) -> str:
    if read[2] == "otel_traces" and not replaces_spans:
        return read[0]
    return f"{read[1]} {read[2]} FINAL WHERE "


def _of_tenants(tenant: str, access: Access) -> str:
    if not access.reads:
        return "0"
    return "1" if access.tenants is None else f"{tenant} IN {_TENANTS}"


def _of_all(access: Access) -> str:
    return "1" if access.reads and access.levels is access.tenants is None else "0"


def _of_levels(access: Access, among: bool) -> str:
    """Texts: of the levels, and, since a digest has no tenant, told of in the tenants' flows."""
    if not access.reads:
        return "0"
    conditions = []
    if access.levels is not None:
        conditions.append(f"Level IN {_LEVELS}")
    if access.tenants is not None:
        named = "[Digest, PromptDigest, CompletionDigest]"
        narrowed = f" AND hasAny({named}, {_DIGESTS})" if among else ""
        flows = f"SELECT arrayJoin({named}) FROM flows FINAL WHERE Tenant IN {_TENANTS}{narrowed}"
        conditions.append(f"Digest IN ({flows})")
    return f"({' AND '.join(conditions)})" if conditions else "1"


def _columns(access: Access) -> dict[str, str]:
    """What of a span may hold text: shown whole to whom every text is shown."""
    if access.levels is None:
        return {
            "{attributes}": "SpanAttributes",
            "{resource}": "ResourceAttributes",
            "{status_message}": "StatusMessage",
        }
    plain = f"key IN ({', '.join(map(_quoted, _PLAIN))})"
    return {
        "{attributes}": _only("SpanAttributes", plain, *_starting(_PLAIN_PREFIXES)),
        "{resource}": _only("ResourceAttributes", *_starting(_PLAIN_RESOURCE)),
        "{status_message}": "''",
    }


def _only(column: str, *conditions: str) -> str:
    return f"mapFilter((key, value) -> {' OR '.join(conditions)}, {column})"


def _starting(prefixes: tuple[str, ...]) -> list[str]:
    return [f"startsWith(key, {_quoted(prefix)})" for prefix in prefixes]


def _quoted(constant: str) -> str:
    return f"'{constant}'"

"""Client: the store's questions, asked of a running server."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

from ragtrace import config
from ragtrace.errors import MissingDependencyError, StoreError
from ragtrace.forensics import EvidenceAsked
from ragtrace.server._asked import PAGE_LIMIT, TEXTS_LIMIT, WORDS_LIMIT, cursor_of
from ragtrace.server._serve import NOTE
from ragtrace.server._tls import client_context
from ragtrace.store import (
    OWNER,
    REACH_LIMIT,
    Address,
    ChainedStep,
    ChainState,
    DecisionRow,
    FlowEdge,
    FlowFilter,
    FlowRow,
    Gone,
    Head,
    HourRow,
    Place,
    Reached,
    ReachRow,
    SaidRow,
    Seen,
    Sought,
    SpanRow,
    Stats,
    Store,
    Trace,
    TraceNotFoundError,
    TraceRow,
    vault_key,
)

__all__ = ["Client", "open_reader", "server_url"]

SECONDS: Final = 70.0
"""Longer than the store lets a question run."""
LONG_SECONDS: Final = 3600.0
"""Copying a terabyte from disk to disk takes about so long."""
HEALTH_SECONDS: Final = 10.0
"""A server on this machine that takes longer to say it is there is not; on one with thirty
processes for two cores it was seen to take more than 2."""
AGAIN_SECONDS: Final = 0.1
"""From one question to the next for what the server has not found out yet."""
_ALL: Final = FlowFilter()

R = TypeVar("R")


class Client:
    """Answers as ``Store`` does, from a server's JSON.

    Args:
        url: Where the server is, ``http://127.0.0.1:4318``.
        token: What it asks of readers, if anything.

    Raises:
        ConfigError: A certificate that the environment names cannot be used.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingDependencyError("httpx", "server") from None
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # Not by way of a proxy from the environment: it would see the token.
        self._http = httpx.Client(
            base_url=url,
            headers=headers,
            timeout=SECONDS,
            trust_env=False,
            verify=client_context(os.environ) if url.startswith("https:") else True,
        )
        self._failed = (httpx.HTTPError, httpx.InvalidURL)
        self._url = url

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self._url

    def flows(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[FlowRow]:
        """Give the newest flows that pass ``where``, newest first."""
        return list(self._pages("flows", FlowRow.from_json, _asked(where), limit, after))

    def decisions(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[DecisionRow]:
        """Give the newest decisions, one a step, newest first."""
        return list(self._pages("decisions", DecisionRow.from_json, _asked(where), limit, after))

    def traces(
        self, where: FlowFilter = _ALL, limit: int = 1000, *, after: Place | None = None
    ) -> list[TraceRow]:
        """Give the newest traces, newest first."""
        return list(self._pages("traces", TraceRow.from_json, _asked(where), limit, after))

    def edges(self, where: FlowFilter = _ALL) -> list[FlowEdge]:
        """Give the flow map, with counts."""
        return [FlowEdge.from_json(edge) for edge in self.get("/v1/edges", _asked(where))["edges"]]

    def hours(self, where: FlowFilter = _ALL) -> list[HourRow]:
        """Give how many flows of each level there were in each hour."""
        return [HourRow.from_json(hour) for hour in self.get("/v1/hours", _asked(where))["hours"]]

    def said(self, what: str, limit: int = 50, *, where: FlowFilter = _ALL) -> list[SaidRow]:
        """Give the newest model calls with these words in a text, at most 1000."""
        query = {"what": what, **_asked(where), "limit": min(limit, WORDS_LIMIT)}
        return [SaidRow.from_json(row) for row in self.get("/v1/words", query)["said"]]

    def trace(self, trace_id: str) -> Trace:
        """Give one trace, by its id or a prefix that only it has.

        Raises:
            TraceNotFoundError: No trace, or more than one, begins so.
        """
        tree = self.get(f"/v1/traces/{quote(trace_id, safe='')}")
        spans = [SpanRow.from_json(step["span"]) for step in tree["steps"]]
        flows = chain.from_iterable(step["flows"] for step in tree["steps"])
        return Trace(
            trace_id=tree["trace_id"],
            spans=tuple(sorted(spans, key=lambda span: (span.start_ns, span.span_id))),
            flows=tuple(
                sorted(
                    map(FlowRow.from_json, flows),
                    key=lambda flow: (flow.time_ns, flow.span_id, flow.ordinal),
                )
            ),
        )

    def reach(self, sought: Sought, limit: int = REACH_LIMIT) -> Reached:
        """Give every flow of what is sought, and of what was made of it, the oldest first."""
        if sought.is_nothing:
            return Reached((), True)
        asked: dict[str, Any] = {"what": list(sought.names), **_asked(sought.where)}
        rows: list[ReachRow] = []
        while True:
            asked["limit"] = min(limit + 1 - len(rows), PAGE_LIMIT)
            tree = self.get("/v1/reach", asked)
            rows += map(ReachRow.from_json, tree["rows"])
            asked["cursor"] = tree["next"]
            if tree["next"] is None or len(rows) > limit:
                return Reached(tuple(rows[:limit]), tree["complete"] and len(rows) <= limit)

    def texts(self, digests: Iterable[str]) -> dict[str, str]:
        """Give the texts that are kept, by digest."""
        return self._by_digest("/v1/texts", "texts", digests)

    def gone(self, digests: Iterable[str]) -> dict[str, Gone]:
        """Say of each text among ``digests`` that was kept, and does not open, why not."""
        found = self._by_digest("/v1/texts/gone", "gone", digests)
        return {name: Gone.from_json(one) for name, one in found.items()}

    def stats(self) -> Stats:
        """Count what is stored."""
        return Stats.from_json(self.get("/v1/stats"))

    def back_up(self, destination: Path) -> int:
        """Have the server copy its store to a new path on its machine; give the size in bytes."""
        return int(self.post("/v1/store/backup", {"to": str(destination)})["bytes"])

    def chained(self, trace_id: str) -> list[ChainedStep]:
        """Say where the decisions of a trace are in the chains."""
        tree = self.get("/v1/chain/steps", {"trace": trace_id})
        return [ChainedStep.from_json(one) for one in tree["steps"]]

    def heads(self) -> list[Head]:
        """Give the newest head of each chain."""
        return [Head.from_json(one) for one in self.get("/v1/chain/heads")["heads"]]

    def evidence(self, asked: EvidenceAsked) -> bytes:
        """Have the server make and sign a bundle of evidence."""
        try:
            response = self._http.post("/v1/evidence", json=asdict(asked), timeout=LONG_SECONDS)
            detail = "" if response.is_success else response.json().get("detail")
        except (*self._failed, ValueError, AttributeError) as error:
            raise StoreError(f"server {self._url}: {type(error).__name__}") from None
        if not response.is_success:
            raise StoreError(f"server {self._url}: {response.status_code}: {detail}")
        return bytes(response.content)

    def check_chains(self) -> tuple[list[ChainState], int]:
        """Have the server read its chains of decisions; and count decisions without an entry."""
        tree = self.get("/v1/chain/check", seconds=LONG_SECONDS)
        return [ChainState.from_json(one) for one in tree["chains"]], int(tree["unchained"])

    def what_if(self, policy: bytes, where: FlowFilter = _ALL, *, sample: int) -> dict[str, Any]:
        """Have the server judge its flows under a policy that names no other file.

        Raises:
            StoreError: It does not, and why.
        """
        body = {"policy": policy.decode("utf-8"), "where": _asked(where), "sample": sample}
        try:
            response = self._http.post("/v1/whatif", json=body)
            tree = response.json()
        except (*self._failed, ValueError) as error:
            raise StoreError(f"server {self._url}: {type(error).__name__}") from None
        if not response.is_success:
            raise StoreError(f"server {self._url}: {response.status_code}: {tree.get('detail')}")
        return dict(tree)

    def health(self) -> dict[str, Any]:
        """Say whether the server is well, and which process it is."""
        return self.get("/healthz", seconds=HEALTH_SECONDS)

    def broken_parts(self) -> int:
        """Count the parts that the engine set aside as damaged, once the server has looked.

        Raises:
            StoreError: It could not look, or has not within the time a question may take.
        """
        for _ in range(int(SECONDS / AGAIN_SECONDS)):
            health = self.health()
            if health["broken_parts"] is not None:
                return int(health["broken_parts"])
            if health["status"] != "ok":
                break
            time.sleep(AGAIN_SECONDS)
        raise StoreError(f"server {self._url}: its store could not be asked")

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the connection."""
        self.close()

    def _pages(
        self,
        name: str,
        read: Callable[[Mapping[str, Any]], R],
        query: Mapping[str, Any],
        limit: int,
        after: Place | None,
    ) -> Iterator[R]:
        """The first ``limit`` rows, page by page."""
        cursor = {} if after is None else {"cursor": cursor_of(after)}
        while limit > 0:
            asked = {**query, **cursor, "limit": min(limit, PAGE_LIMIT)}
            tree = self.get(f"/v1/{name}", asked)
            rows = tree[name]
            yield from map(read, rows)
            limit -= len(rows)
            if tree["next"] is None:
                return
            cursor = {"cursor": tree["next"]}

    def _by_digest(self, path: str, name: str, digests: Iterable[str]) -> dict[str, Any]:
        wanted = sorted(set(digests))
        found: dict[str, Any] = {}
        for start in range(0, len(wanted), TEXTS_LIMIT):
            some = {"digest": wanted[start : start + TEXTS_LIMIT]}
            found |= self.get(path, some)[name]
        return found

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, seconds: float = SECONDS
    ) -> dict[str, Any]:
        """Ask a question, and give the JSON of the answer.

        Raises:
            TraceNotFoundError: There is no such trace.
            StoreError: There is no answer.
        """
        return self._answer(path, lambda: self._http.get(path, params=query, timeout=seconds))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have the server do what may take long, and give the JSON of its answer.

        Raises:
            StoreError: It may not be done.
        """
        return self._answer(path, lambda: self._http.post(path, json=body, timeout=LONG_SECONDS))

    def _answer(self, path: str, ask: Callable[[], Any]) -> dict[str, Any]:
        try:
            response = ask()
            tree = response.json()
        except (*self._failed, ValueError) as error:
            raise StoreError(f"server {self._url}: {type(error).__name__}") from None
        if not isinstance(tree, dict):
            raise StoreError(f"server {self._url}: expected a JSON object")
        if response.status_code == 404 and path.startswith("/v1/traces/"):
            raise TraceNotFoundError(str(tree.get("detail")))
        if not response.is_success:
            raise StoreError(f"server {self._url}: {response.status_code}: {tree.get('detail')}")
        return tree


def _asked(where: FlowFilter) -> dict[str, Any]:
    """A filter as the API's parameters."""
    given: dict[str, Any] = where.as_params()
    return {"app" if name == "service" else name: value for name, value in given.items()}


def open_reader(store_url: str) -> Seen | Client:
    """Open the store, or a client of the server that has it open.

    The vault's key and the readers' token are read from the environment.

    Raises:
        StoreError: Neither can be done.
    """
    url = server_url(store_url)
    if url is not None:
        return Client(url, config.READ_TOKEN.value(os.environ))
    return Store.open(store_url, vault_key()).seen_by(OWNER)


def server_url(store_url: str) -> str | None:
    """Give the URL of the server that has the store's directory open, if one has.

    It is the one that left its note there and still answers as the same process: a port may
    belong to another program by now, which must not be shown the token.
    """
    address = Address.parse(store_url)
    if address.path is None:
        return None
    try:
        note = json.loads((address.path / NOTE).read_text("utf-8"))
        url, pid, database = str(note["url"]), note["pid"], note["database"]
        with Client(url) as stranger:
            healthy = stranger.health()
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return None
    return url if healthy.get("pid") == pid and database == address.database else None

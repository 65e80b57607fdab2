"""Material: a month of an assistant's spans, made in the engine itself, and the texts they name."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Any, Final

from ragtrace.store import Store
from ragtrace.wire import ContentRecord

__all__ = ["DOCUMENTS", "FIRST_NS", "PERIOD_NS", "WORD", "fill", "settle", "trace_id"]

FIRST_NS: Final = 1_760_000_000_000_000_000
PERIOD_NS: Final = 30 * 86_400 * 10**9
DOCUMENTS: Final = 50_000
"""Drawn with odds of about one over their rank: the first is in one flow of sixteen."""
WORD: Final = "chargeback"
"""A word that one text in two hundred has."""
STEP: Final = 50_000
"""Spans made by one insert."""
TEXTS: Final = 20_000
"""Passages whose text is in the vault."""
VOCABULARY: Final = 5_000

_FILL: Final = """
INSERT INTO otel_traces (
    Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ScopeName, SpanAttributes,
    Duration, StatusCode, ResourceAttributes
)
WITH
    number AS n,
    cityHash64(n, 1) AS h,
    intDiv(n, 2) AS turn,
    n % 2 = 0 AS retrieval,
    3 + h % 5 AS k,
    (span) -> arrayMap(
        i -> least({documents:UInt32} - 1, toUInt32(
            pow({documents:UInt32}, (cityHash64(span, i, 2) % 1000003) / 1000003.) - 1
        )),
        range(3 + cityHash64(span, 1) % 5)
    ) AS docs_of,
    docs_of(n) AS docs,
    -- One prompt in eight holds what the model said four turns before, made of what was shown then.
    (turn) -> turn >= 8 AND cityHash64(turn, 9) % 8 = 0 AS goes_on,
    {derived:Bool} AND NOT retrieval AND goes_on(turn) AS derived,
    arrayDistinct(if(derived, arrayConcat(
        docs_of(2 * (turn - 4) + 1),
        if(goes_on(turn - 4), docs_of(2 * (turn - 8) + 1), [])
    ), [])) AS behind,
    ['public', 'partner', 'internal', 'staff_only', 'secret', 'restricted'] AS levels,
    ['allow', 'allow', 'allow', 'context_only', 'drop', 'redact'] AS actions,
    lower(hex(SHA256(concat('completion ', toString(turn - 4))))) AS said,
    (those) -> concat('[', arrayStringConcat(arrayMap(d -> concat(
        '{"document":"kb/articles/doc-', toString(d), '.md","source":"chroma/collection-',
        toString(cityHash64(d, 5) % 40), '","digest":"',
        lower(hex(SHA256(concat('passage ', toString(d))))),
        '","level":"', levels[1 + cityHash64(d, 6) % 6],
        '","evidence":"', ['certain', 'text', 'taint', 'taint'][1 + cityHash64(d, 8) % 4], '"}'
    ), those), ','), ']') AS made_of,
    concat('[', arrayStringConcat(arrayMap((i, d) -> concat(
        '{"ord":', toString(i), ',"id":"chunk-', toString(d),
        '","score":', toString(cityHash64(n, i, 3) % 1000 / 1000.), ',"rank":', toString(i),
        ',"document":"kb/articles/doc-', toString(d), '.md","digest":"',
        lower(hex(SHA256(concat('passage ', toString(d))))),
        '","source":"chroma/collection-', toString(cityHash64(d, 5) % 40),
        '","level":"', levels[1 + cityHash64(d, 6) % 6],
        '","basis":"metadata:audience","action":"', actions[1 + cityHash64(d, 6) % 6],
        '","rule":"rule-', toString(cityHash64(d, 6) % 6),
        '","reason":"the label decides","mode":"enforce","uri":"file:///kb/articles/doc-',
        toString(d), '.md"',
        if(retrieval, '', concat(
            ',"verdict":"certain","spans":[[1,', toString(1200 * i), ',', toString(1200 * i + 1200),
            ',0,1200]]'
        )), '}'
    ), range(k), docs), ','), if(derived, concat(
        ',{"ord":', toString(k), ',"id":"', substring(said, 1, 16),
        '","document":"completion:', substring(said, 1, 16), '","digest":"', said,
        '","source":"completion","level":"internal","basis":"derived","action":"allow"',
        ',"rule":"clearance","reason":"may be disclosed","mode":"enforce","verdict":"certain"',
        ',"spans":[[2,0,900,0,900]],"origins":', made_of(behind), '}'
    ), ''), ']') AS flows
SELECT
    fromUnixTimestamp64Nano({first:Int64} + toInt64(n * {apart:UInt64})),
    lower(hex(MD5(toString(turn)))),
    lower(hex(cityHash64(n, 77))),
    if(retrieval, 'retrieval kb', 'chat model'),
    if(retrieval, 'Internal', 'Client'),
    concat('bank-', toString(turn % 3)),
    'ragtrace',
    mapFilter((key, value) -> value != '', map(
        'ragtrace.stage', if(retrieval, 'retrieval', 'prompt'),
        'ragtrace.request.id', lower(hex(MD5(concat('r', toString(turn))))),
        'ragtrace.audience', ['customer', 'staff', 'partner', 'auditor'][1 + turn % 4],
        'ragtrace.audience.clearance', ['public', 'internal', 'partner', 'secret'][1 + turn % 4],
        'ragtrace.tenant', concat('tenant-', toString(turn % 5)),
        'session.id', concat('session-', toString(intDiv(turn, 4))),
        'user.id', concat('user-', toString(cityHash64(intDiv(turn, 4), 4) % 20000)),
        'ragtrace.policy.digest', lower(hex(SHA256('policy'))),
        'ragtrace.decision.action', 'context_only',
        'ragtrace.decision.rule', 'rule-3',
        'ragtrace.decision.reason', 'the label decides',
        'ragtrace.decision.mode', 'enforce',
        'ragtrace.flows', flows,
        'ragtrace.prompt.digest',
        if(retrieval, '', lower(hex(SHA256(concat('prompt ', toString(turn)))))),
        'ragtrace.completion.digest',
        if(retrieval, '', lower(hex(SHA256(concat('completion ', toString(turn)))))),
        'ragtrace.completion.origins',
        if(retrieval OR NOT {derived:Bool}, '', made_of(arrayDistinct(arrayConcat(docs, behind)))),
        'ragtrace.prompt.level', if(retrieval, '', 'internal')
    )),
    1000000 + h % 1000000000,
    'Unset',
    map('service.name', concat('bank-', toString(turn % 3)), 'telemetry.sdk.language', 'python')
FROM numbers({from:UInt64}, {count:UInt64})
SETTINGS max_partitions_per_insert_block = 0
"""


def fill(
    store: Store,
    spans: int,
    told: Callable[[int], None],
    *,
    derived: bool = False,
    texts: bool = True,
) -> None:
    """Put ``spans`` of one month into an empty store, 3 to 7 documents each, and their texts.

    Args:
        store: An empty one.
        spans: How many: one of two is a retrieval, the other the model call behind it.
        told: How many there are.
        derived: Whether one prompt in eight holds an earlier answer too, with its origins.
        texts: Whether the texts are kept.
    """
    for first in range(0, spans, STEP):
        told(first)
        parameters: dict[str, Any] = {
            "documents": DOCUMENTS,
            "derived": derived,
            "first": FIRST_NS,
            "apart": PERIOD_NS // spans,
            "from": first,
            "count": min(STEP, spans - first),
        }
        with store._engine.writing("bench: fill") as client:
            client.command(_FILL, parameters=parameters)
    if texts:
        store.write([], _texts())
    told(spans)


def settle(store: Store) -> None:
    """Merge what the engine merges by itself when a day and when a month is over."""
    with store._engine.writing("bench: settle") as client:
        for table in ("reached", "derived"):
            client.command(f"OPTIMIZE TABLE {table} FINAL")


def trace_id(turn: int) -> str:
    """The id of a trace that ``fill`` makes: two spans each."""
    return hashlib.md5(str(turn).encode(), usedforsecurity=False).hexdigest()


def _texts() -> list[ContentRecord]:
    draw = random.Random(7)
    made = []
    for document in range(TEXTS):
        digest = hashlib.sha256(f"passage {document}".encode()).hexdigest()
        found = [f"word{int(VOCABULARY ** draw.random())}" for _ in range(200)]
        if document % 200 == 100:
            found.append(WORD)
        made.append(ContentRecord(digest, "chunk", "internal", " ".join(found)))
    return made

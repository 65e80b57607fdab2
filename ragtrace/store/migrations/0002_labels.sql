-- The rest of a flow's label: who may read it, and whether it may be believed. For readers, an
-- empty list is nobody, and no list is everybody: ForReaders tells the two apart.
ALTER TABLE flows
    ADD COLUMN IF NOT EXISTS ForReaders Bool DEFAULT false AFTER Compartments,
    ADD COLUMN IF NOT EXISTS Readers Array(String) CODEC(ZSTD(1)) AFTER ForReaders,
    ADD COLUMN IF NOT EXISTS Integrity LowCardinality(String) DEFAULT 'trusted' AFTER Readers;

ALTER TABLE flows_mv MODIFY QUERY
WITH
    arraySort(
        key -> toUInt32OrZero(substring(key, length('ragtrace.flows.') + 1)),
        arrayFilter(
            key -> key = 'ragtrace.flows' OR startsWith(key, 'ragtrace.flows.'),
            mapKeys(SpanAttributes)
        )
    ) AS ours,
    arrayFilter(
        flow -> JSONType(flow) = 'Object',
        if(
            notEmpty(ours),
            arrayFlatten(arrayMap(key -> JSONExtractArrayRaw(SpanAttributes[key]), ours)),
            JSONExtractArrayRaw(SpanAttributes['gen_ai.retrieval.documents'])
        )
    ) AS found
SELECT
    if(notEmpty(ours), JSONExtractString(flow, 'document'), ChunkId) AS Document,
    Timestamp,
    SpanId,
    toUInt32(if(JSONHas(flow, 'ord'), JSONExtractUInt(flow, 'ord'), place - 1)) AS Ordinal,
    TraceId,
    SpanAttributes['ragtrace.request.id'] AS RequestId,
    if(notEmpty(ours), SpanAttributes['ragtrace.stage'], 'retrieval') AS Stage,
    ServiceName,
    SpanAttributes['ragtrace.audience'] AS Audience,
    SpanAttributes['ragtrace.audience.clearance'] AS Clearance,
    SpanAttributes['ragtrace.tenant'] AS Tenant,
    if(
        mapContains(SpanAttributes, 'session.id'),
        SpanAttributes['session.id'],
        SpanAttributes['gen_ai.conversation.id']
    ) AS Session,
    SpanAttributes['user.id'] AS User,
    JSONExtract(flow, 'id', 'String') AS ChunkId,
    JSONExtractString(flow, 'digest') AS Digest,
    JSONExtractString(flow, 'uri') AS Uri,
    if(
        notEmpty(ours),
        JSONExtractString(flow, 'source'),
        SpanAttributes['gen_ai.data_source.id']
    ) AS Source,
    JSONExtractString(flow, 'level') AS Level,
    JSONExtract(flow, 'compartments', 'Array(String)') AS Compartments,
    JSONType(flow, 'readers') != 'Null' AS ForReaders,
    JSONExtract(flow, 'readers', 'Array(String)') AS Readers,
    if(JSONExtractString(flow, 'integrity') IN ('', 'trusted'), 'trusted', 'untrusted') AS Integrity,
    JSONExtractString(flow, 'basis') AS Basis,
    toUInt32(if(JSONHas(flow, 'rank'), JSONExtractUInt(flow, 'rank'), place - 1)) AS Rank,
    JSONExtract(flow, 'score', 'Nullable(Float64)') AS Score,
    JSONExtractString(flow, 'verdict') AS Verdict,
    JSONExtract(
        flow, 'spans', 'Array(Tuple(UInt32, UInt32, UInt32, UInt32, UInt32))'
    ) AS Spans,
    JSONExtract(flow, 'group', 'Array(String)') AS Alternatives,
    JSONExtractString(flow, 'action') AS Action,
    JSONExtractString(flow, 'rule') AS Rule,
    JSONExtractString(flow, 'reason') AS Reason,
    JSONExtractString(flow, 'mode') AS Mode,
    JSONExtractString(flow, 'shadow', 'action') AS ShadowAction,
    JSONExtractString(flow, 'shadow', 'rule') AS ShadowRule,
    JSONExtract(
        flow, 'ranges', 'Array(Tuple(start UInt32, end UInt32, level String))'
    ) AS Ranges,
    SpanAttributes['ragtrace.policy.digest'] AS Policy,
    SpanAttributes['ragtrace.prompt.digest'] AS PromptDigest,
    SpanAttributes['ragtrace.prompt.level'] AS PromptLevel,
    SpanAttributes['ragtrace.completion.digest'] AS CompletionDigest,
    SpanAttributes['ragtrace.decision.action'] = 'block'
        AND SpanAttributes['ragtrace.decision.mode'] != 'shadow' AS Blocked
FROM otel_traces
ARRAY JOIN found AS flow, arrayEnumerate(found) AS place;

-- Spans whose flows had either are written once more, so that the view derives them anew: the
-- spans stay one row, and so do their flows.
INSERT INTO otel_traces SELECT * FROM otel_traces
WHERE arrayExists(
    (key, value) -> startsWith(key, 'ragtrace.flows')
        AND (position(value, '"readers"') > 0 OR position(value, '"integrity"') > 0),
    mapKeys(SpanAttributes), mapValues(SpanAttributes)
)
SETTINGS max_partitions_per_insert_block = 0;

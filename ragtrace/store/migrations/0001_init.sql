-- Spans in the shape of the OpenTelemetry Collector's ClickHouse exporter, so that a table it
-- filled is read as it is; SpanId ends the sort key, so that a span sent twice is one row.
CREATE TABLE IF NOT EXISTS otel_traces (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    ParentSpanId String CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String CODEC(ZSTD(1)),
    -- What spans say again, such as their documents, is found again further back in a larger block.
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(3))
        SETTINGS (min_compress_block_size = 2097152, max_compress_block_size = 2097152),
    Duration UInt64 CODEC(ZSTD(1)),
    StatusCode LowCardinality(String) CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9, 'UTC'),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Version UInt64 MATERIALIZED if(
        ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.request.id'),
        0xFFFFFFFFFFFFFFFF, -- what ragtrace told of itself is replaced by nobody
        least(toUInt64OrZero(SpanAttributes['ragtrace.observed']), 0xFFFFFFFF)
    ),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_span_id SpanId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_attribute_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), TraceId, SpanId)
-- A merge holds a granule of each part it reads, and a span of ours is some 7 KB.
SETTINGS index_granularity = 256, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per chunk and span: what was retrieved for, or found in, a prompt.
-- What names a chunk is written once for each block of rows, for the same few are found again and
-- again; where all are different, that takes 4 % more room.
CREATE TABLE IF NOT EXISTS flows (
    Document LowCardinality(String) CODEC(ZSTD(1)),
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    Ordinal UInt32 CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    RequestId String CODEC(ZSTD(1)),
    Stage LowCardinality(String),
    ServiceName LowCardinality(String),
    Audience LowCardinality(String),
    Clearance LowCardinality(String),
    Tenant LowCardinality(String),
    Session String CODEC(ZSTD(1)),
    User String CODEC(ZSTD(1)),
    Model LowCardinality(String),
    ChunkId LowCardinality(String) CODEC(ZSTD(1)),
    Digest LowCardinality(String) CODEC(ZSTD(1)),
    Uri LowCardinality(String) CODEC(ZSTD(1)),
    Source LowCardinality(String),
    Level LowCardinality(String),
    Compartments Array(LowCardinality(String)),
    ForReaders Bool,
    Readers Array(String) CODEC(ZSTD(1)),
    Integrity LowCardinality(String),
    Basis LowCardinality(String),
    Rank UInt32 CODEC(ZSTD(1)),
    Score Nullable(Float64) CODEC(ZSTD(1)),
    Verdict LowCardinality(String),
    Spans Array(Tuple(UInt32, UInt32, UInt32, UInt32, UInt32)) CODEC(ZSTD(1)),
    Alternatives Array(String) CODEC(ZSTD(1)),
    Action LowCardinality(String),
    Rule LowCardinality(String),
    Reason LowCardinality(String),
    Mode LowCardinality(String),
    ShadowAction LowCardinality(String),
    ShadowRule LowCardinality(String),
    Ranges Array(Tuple(UInt32, UInt32, String)) CODEC(ZSTD(1)),
    Policy LowCardinality(String),
    PromptDigest String CODEC(ZSTD(1)),
    PromptLevel LowCardinality(String),
    CompletionDigest String CODEC(ZSTD(1)),
    Blocked Bool,
    -- How it is known that the completion was made from this chunk, where there is one.
    Carried LowCardinality(String),
    -- What a derived chunk was made from; of each, how it is known that the chunk has it, and
    -- that the completion has it.
    Origins Array(Tuple(
        document LowCardinality(String), source LowCardinality(String),
        digest LowCardinality(String), level LowCardinality(String),
        compartments Array(LowCardinality(String)), for_readers Bool, readers Array(String),
        integrity LowCardinality(String), evidence LowCardinality(String),
        carried LowCardinality(String)
    )) CODEC(ZSTD(1)),
    Released LowCardinality(String), -- why its origins do not count
    Version UInt64 CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_span_id SpanId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session Session TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_prompt PromptDigest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_completion CompletionDigest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_document Document TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_digest Digest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_source Source TYPE set(100) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Timestamp, SpanId, TraceId, Ordinal)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- The flows once more by document, with what is counted and what reach tells of each: reach, the map
-- and the hours are read from here. In this order a document's rows lie together, where those of
-- `flows` lie as far apart as its times. What all flows of a step share and no two steps do (ids and
-- digests) is not repeated: it is in `steps`. A day is one part soon after it is over: FINAL then
-- costs nothing, and what was counted of it is kept by the name of the part. It and the two tables behind
-- it are compressed as the engine does by itself: a part of them is written in half the time.
CREATE TABLE IF NOT EXISTS reached (
    Document String,
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, LZ4),
    Span UInt64 CODEC(NONE), -- hash of the ids of trace and span
    Ordinal UInt32,
    Edge LowCardinality(String), -- six of what follows in one, which is read in a sixth of the time
    Source LowCardinality(String),
    Level LowCardinality(String),
    Audience LowCardinality(String),
    Stage LowCardinality(String),
    Action LowCardinality(String),
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    Prompt UInt64 CODEC(NONE),
    ChunkId String,
    Digest String,
    Uri String,
    Verdict LowCardinality(String),
    Rule LowCardinality(String),
    Reason LowCardinality(String),
    Carried LowCardinality(String),
    Version UInt64,
    INDEX idx_chunk ChunkId TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_digest Digest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_uri Uri TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_source Source TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toDate(Timestamp)
ORDER BY (Document, Timestamp, Span, Ordinal)
SETTINGS index_granularity = 512, min_compress_block_size = 16384, max_compress_block_size = 65536,
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    max_bytes_to_merge_at_max_space_in_pool = 161061273600; -- the default: a day becomes one part

-- The flows of derived texts once more by the text, with what they were made from: what was made of
-- a completion, or of a document before it, is found here.
CREATE TABLE IF NOT EXISTS derived (
    Made UInt64, -- hash of the text's digest
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, LZ4),
    Span UInt64 CODEC(NONE),
    Ordinal UInt32,
    Document String,
    Edge LowCardinality(String),
    Source LowCardinality(String),
    Level LowCardinality(String),
    Audience LowCardinality(String),
    Stage LowCardinality(String),
    Action LowCardinality(String),
    ServiceName LowCardinality(String),
    Tenant LowCardinality(String),
    ChunkId String,
    Digest String,
    Uri String,
    Verdict LowCardinality(String),
    Rule LowCardinality(String),
    Reason LowCardinality(String),
    Carried LowCardinality(String),
    Origins Array(Tuple(
        document String, source String, digest String, level String, evidence String,
        carried String
    )),
    Version UInt64,
    INDEX idx_origins Origins.document TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_origin_sources Origins.source TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_origin_digests Origins.digest TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Made, Timestamp, Span, Ordinal)
SETTINGS index_granularity = 16, min_compress_block_size = 8192, max_compress_block_size = 8192,
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    max_bytes_to_merge_at_max_space_in_pool = 161061273600; -- a month that is over becomes one part

-- One row per step, a retrieval or a model call: what its flows share, in granules so small that
-- reading a thousand steps of a month is quick, and in one column, for each costs a read of its own.
CREATE TABLE IF NOT EXISTS steps (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, LZ4),
    Span UInt64 CODEC(NONE),
    -- ids of trace, span and request, digests of prompt and completion, session, user, service,
    -- clearance of the audience, tenant, model, and 1 where the whole step was refused
    Told Array(String),
    Tenant LowCardinality(String),
    Version UInt64
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Timestamp, Span)
SETTINGS index_granularity = 16, min_compress_block_size = 8192, max_compress_block_size = 8192,
    fsync_after_insert = 1, fsync_part_directory = 1;

-- Texts by digest, sealed before they come here. A row with a text outlives one without.
CREATE TABLE IF NOT EXISTS contents (
    Digest String CODEC(ZSTD(1)),
    Kind LowCardinality(String),
    Level LowCardinality(String),
    Length UInt32,
    Text String CODEC(NONE),
    Kept UInt8,
    Stored DateTime('UTC') DEFAULT now(), -- when it came last
    Words String CODEC(ZSTD(1)), -- keyed hashes of the text's words
    Key String CODEC(ZSTD(1)), -- what it was sealed with, and so whose it is
    Gone UInt8 DEFAULT 0, -- 1 where the text was shredded or is over: what is left says so
    INDEX idx_words Words TYPE text(tokenizer = 'splitByNonAlpha')
) ENGINE = {replicated}ReplacingMergeTree(Kept)
ORDER BY (Digest, Kind, Level, Key)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- What was shredded, by whom and why, as the keyring has it too. Rows are added and never changed.
CREATE TABLE IF NOT EXISTS shreds (
    Shred String,
    Timestamp DateTime64(9, 'UTC'),
    Kind LowCardinality(String),
    Name String, -- of a user or session, what stands for it
    Who String,
    Why String,
    Texts UInt64,
    Keys Array(String) CODEC(ZSTD(1)),
    Punctured Array(Tuple(String, String)) CODEC(ZSTD(1)), -- keys and the digests they forgot
    Proof String -- that who wrote this had the keyring
) ENGINE = {replicated}ReplacingMergeTree
ORDER BY (Timestamp, Shred)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Who was given which texts, or refused them; never a text. Rows are added and never changed.
CREATE TABLE IF NOT EXISTS readings (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    Reading String CODEC(ZSTD(1)),
    Reader LowCardinality(String),
    Digests Array(String) CODEC(ZSTD(1)),
    Levels Array(LowCardinality(String)),
    Texts UInt32,
    Refused UInt32
) ENGINE = {replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Timestamp, Reading)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per step that was decided about. Rows are added and never changed.
CREATE TABLE IF NOT EXISTS decisions (
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    TraceId String CODEC(ZSTD(1)),
    RequestId String CODEC(ZSTD(1)),
    Stage LowCardinality(String),
    ServiceName LowCardinality(String),
    Audience LowCardinality(String),
    Clearance LowCardinality(String),
    Tenant LowCardinality(String),
    Session String CODEC(ZSTD(1)),
    User String CODEC(ZSTD(1)),
    Action LowCardinality(String),
    Rule LowCardinality(String),
    Reason LowCardinality(String),
    Mode LowCardinality(String),
    Policy LowCardinality(String),
    PromptDigest String CODEC(ZSTD(1)),
    PromptLevel LowCardinality(String),
    CompletionDigest String CODEC(ZSTD(1)),
    Flows UInt32,
    Model LowCardinality(String),
    Cached Bool, -- whether the completion came out of a cache
    Withheld UInt32, -- pieces of it that were
    CompletionLevel LowCardinality(String),
    Origins Array(Tuple( -- what a cached completion was made from
        document LowCardinality(String), source LowCardinality(String),
        digest LowCardinality(String), level LowCardinality(String),
        evidence LowCardinality(String)
    )) CODEC(ZSTD(1)),
    Version UInt64 CODEC(ZSTD(1)),
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_prompt PromptDigest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_completion CompletionDigest TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_session Session TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree(Version)
PARTITION BY toYYYYMM(Timestamp)
ORDER BY (Timestamp, SpanId, TraceId)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Decisions once more, each linked to the one before by a hash; without names and digests of texts
-- that anybody could try out. One part for each insert, so that a crash leaves all of it or nothing;
-- the hash ends the key, so that two entries of one number are both there to be seen.
CREATE TABLE IF NOT EXISTS chain (
    Chain LowCardinality(String),
    Seq UInt64 CODEC(Delta, ZSTD(1)),
    Hash String CODEC(ZSTD(1)),
    Timestamp DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)), -- of the decision
    TraceId String CODEC(ZSTD(1)),
    SpanId String CODEC(ZSTD(1)),
    Tenant LowCardinality(String),
    Key LowCardinality(String),
    Supersedes String CODEC(ZSTD(1)),
    Body String CODEC(ZSTD(3)),
    INDEX idx_time Timestamp TYPE minmax GRANULARITY 1,
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1
) ENGINE = {replicated}ReplacingMergeTree
ORDER BY (Chain, Seq, Hash)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- How far a chain had come, signed.
CREATE TABLE IF NOT EXISTS heads (
    Chain LowCardinality(String),
    Seq UInt64 CODEC(Delta, ZSTD(1)),
    Hash String CODEC(ZSTD(1)),
    Sealed DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    PublicKey LowCardinality(String),
    Signature String CODEC(ZSTD(1))
) ENGINE = {replicated}ReplacingMergeTree
ORDER BY (Chain, Seq, Sealed, Signature)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

-- Both ways of arrival, ours and a Collector's, fill the flows and the decisions. Each object is
-- parsed once; Nullable is what means something else when it is absent than 0 or "".
-- A span is read before its flows are told apart: beside each of them stands what is asked of it,
-- and never all that it said.
CREATE MATERIALIZED VIEW IF NOT EXISTS flows_mv TO flows AS
SELECT
    if(own, flow.document, flow.id) AS Document,
    Timestamp,
    SpanId,
    ifNull(flow.ord, toUInt32(place - 1)) AS Ordinal,
    TraceId,
    RequestId,
    if(own, StageSaid, 'retrieval') AS Stage,
    ServiceName,
    Audience,
    Clearance,
    Tenant,
    Session,
    User,
    Model,
    flow.id AS ChunkId,
    flow.digest AS Digest,
    if(flow.uri = '', flow.document, ifNull(flow.uri, '')) AS Uri,
    if(own, flow.source, DataSource) AS Source,
    flow.level AS Level,
    flow.compartments AS Compartments,
    isNotNull(flow.readers) AS ForReaders,
    JSONExtract(ifNull(flow.readers, ''), 'Array(String)') AS Readers,
    if(flow.integrity IN ('', 'trusted'), 'trusted', 'untrusted') AS Integrity,
    flow.basis AS Basis,
    coalesce(flow.rank, flow.ord, toUInt32(place - 1)) AS Rank,
    if(isFinite(flow.score), flow.score, NULL) AS Score, -- JSON has no word for another number
    flow.verdict AS Verdict,
    flow.spans AS Spans,
    flow.`group` AS Alternatives,
    flow.action AS Action,
    flow.rule AS Rule,
    flow.reason AS Reason,
    if(flow.mode = '' AND flow.action != '', 'enforce', flow.mode) AS Mode,
    flow.shadow.action AS ShadowAction,
    flow.shadow.rule AS ShadowRule,
    flow.ranges AS Ranges,
    Policy,
    PromptDigest,
    PromptLevel,
    CompletionDigest,
    Blocked,
    known AS Carried,
    arrayMap(
        origin -> (
            origin.document, origin.source, origin.digest, origin.level, origin.compartments,
            isNotNull(origin.readers), JSONExtract(ifNull(origin.readers, ''), 'Array(String)'),
            if(origin.integrity IN ('', 'trusted'), 'trusted', 'untrusted'), origin.evidence,
            evidence[indexOf(made, sipHash64(origin.document, origin.digest))]
        ),
        flow.origins
    ) AS Origins,
    flow.released AS Released,
    Version
FROM (
    WITH
        arraySort(
            (text, key) -> toUInt32OrZero(substring(key, length('ragtrace.flows.') + 1)),
            arrayFilter(
                (text, key) -> key = 'ragtrace.flows' OR startsWith(key, 'ragtrace.flows.'),
                mapValues(SpanAttributes), mapKeys(SpanAttributes)
            ),
            arrayFilter(
                key -> key = 'ragtrace.flows' OR startsWith(key, 'ragtrace.flows.'),
                mapKeys(SpanAttributes)
            )
        ) AS ours,
        JSONExtract(
            SpanAttributes['ragtrace.completion.origins'],
            'Array(Tuple(document String, digest String, evidence String, ord Nullable(UInt32)))'
        ) AS named,
        -- Texts are compared by a hash: strings would be copied for each comparison.
        arrayMap(
            (document, digest) -> sipHash64(document, digest), found.document, found.digest
        ) AS names
    SELECT
        Timestamp,
        SpanId,
        TraceId,
        ServiceName,
        notEmpty(ours) AS own,
        SpanAttributes['ragtrace.request.id'] AS RequestId,
        SpanAttributes['ragtrace.stage'] AS StageSaid,
        SpanAttributes['ragtrace.audience'] AS Audience,
        SpanAttributes['ragtrace.audience.clearance'] AS Clearance,
        SpanAttributes['ragtrace.tenant'] AS Tenant,
        if(
            mapContains(SpanAttributes, 'session.id'),
            SpanAttributes['session.id'],
            SpanAttributes['gen_ai.conversation.id']
        ) AS Session,
        SpanAttributes['user.id'] AS User,
        coalesce(
            nullIf(SpanAttributes['gen_ai.response.model'], ''),
            nullIf(SpanAttributes['gen_ai.request.model'], ''),
            SpanAttributes['llm.model_name']
        ) AS Model,
        SpanAttributes['gen_ai.data_source.id'] AS DataSource,
        SpanAttributes['ragtrace.policy.digest'] AS Policy,
        SpanAttributes['ragtrace.prompt.digest'] AS PromptDigest,
        SpanAttributes['ragtrace.prompt.level'] AS PromptLevel,
        SpanAttributes['ragtrace.completion.digest'] AS CompletionDigest,
        SpanAttributes['ragtrace.decision.action'] = 'block'
            AND SpanAttributes['ragtrace.decision.mode'] != 'shadow' AS Blocked,
        if(
            ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.request.id'),
            0xFFFFFFFFFFFFFFFF,
            least(toUInt64OrZero(SpanAttributes['ragtrace.observed']), 0xFFFFFFFF)
        ) AS Version,
        arrayFilter(
            flow -> notEmpty(flow.id) OR notEmpty(flow.document) OR notEmpty(flow.digest),
            arrayFlatten(arrayMap(
                text -> JSONExtract(text, 'Array(Tuple(
                ord Nullable(UInt32), id String, score Nullable(Float64), rank Nullable(UInt32),
                document String, digest String, uri Nullable(String), source String, level String,
                compartments Array(String), readers Nullable(String), integrity String,
                basis String, verdict String,
                spans Array(Tuple(UInt32, UInt32, UInt32, UInt32, UInt32)), `group` Array(String),
                action String, rule String, reason String, mode String,
                shadow Tuple(action String, rule String),
                ranges Array(Tuple(start UInt32, end UInt32, level String)),
                origins Array(Tuple(
                    document String, source String, digest String, level String,
                    compartments Array(String), readers Nullable(String), integrity String,
                    evidence String
                )),
                released String
            ))'),
                if(notEmpty(ours), ours, [SpanAttributes['gen_ai.retrieval.documents']])
            ))
        ) AS found,
        arrayMap( -- what the completion was made from; one among the flows is named by its place
            (document, digest, ord) -> if(
                isNull(ord), sipHash64(document, digest), names[indexOf(found.ord, ord)]
            ),
            named.document, named.digest, named.ord
        ) AS made,
        arrayMap(
            (evidence, ord) -> if(evidence = '' AND isNotNull(ord), 'taint', evidence),
            named.evidence, named.ord
        ) AS evidence,
        arrayMap(name -> evidence[indexOf(made, name)], names) AS carriage
    FROM otel_traces
)
ARRAY JOIN found AS flow, arrayEnumerate(found) AS place, carriage AS known;

CREATE MATERIALIZED VIEW IF NOT EXISTS reached_mv TO reached AS
SELECT
    Document,
    Timestamp,
    sipHash64(TraceId, SpanId) AS Span,
    Ordinal,
    toJSONString([
        Source, Level, Audience, Stage, Action, Mode,
        if( -- clearance of who was certainly told, where it is known
            Stage = 'prompt' AND Verdict = 'certain' AND CompletionDigest != '' AND NOT Blocked
                AND (Mode = 'shadow' OR Action NOT IN ('context_only', 'redact', 'drop', 'block')),
            Clearance, ''
        )
    ]) AS Edge,
    Source,
    Level,
    Audience,
    Stage,
    Action,
    ServiceName,
    Tenant,
    if(
        Stage != 'prompt', 0,
        sipHash64(if(PromptDigest = '', SpanId, PromptDigest), toDate(Timestamp))
    ) AS Prompt, -- another one on another day: what is counted of days can be added
    ChunkId,
    Digest,
    Uri,
    Verdict,
    Rule,
    Reason,
    Carried,
    Version
FROM flows;

CREATE MATERIALIZED VIEW IF NOT EXISTS derived_mv TO derived AS
SELECT
    sipHash64(Digest) AS Made,
    Timestamp,
    sipHash64(TraceId, SpanId) AS Span,
    Ordinal,
    Document,
    toJSONString([Source, Level, Audience, Stage, Action, Mode]) AS Edge,
    Source,
    Level,
    Audience,
    Stage,
    Action,
    ServiceName,
    Tenant,
    ChunkId,
    Digest,
    Uri,
    Verdict,
    Rule,
    Reason,
    Carried,
    arrayMap(
        one -> (one.document, one.source, one.digest, one.level, one.evidence, one.carried), Origins
    ) AS Origins,
    Version
FROM flows WHERE Source = 'completion' OR notEmpty(Origins);

CREATE MATERIALIZED VIEW IF NOT EXISTS steps_mv TO steps AS
SELECT
    Timestamp,
    sipHash64(TraceId, SpanId) AS Span,
    [
        TraceId,
        SpanId,
        SpanAttributes['ragtrace.request.id'],
        SpanAttributes['ragtrace.prompt.digest'],
        SpanAttributes['ragtrace.completion.digest'],
        if(
            mapContains(SpanAttributes, 'session.id'),
            SpanAttributes['session.id'],
            SpanAttributes['gen_ai.conversation.id']
        ),
        SpanAttributes['user.id'],
        ServiceName,
        SpanAttributes['ragtrace.audience.clearance'],
        SpanAttributes['ragtrace.tenant'],
        coalesce(
            nullIf(SpanAttributes['gen_ai.response.model'], ''),
            nullIf(SpanAttributes['gen_ai.request.model'], ''),
            SpanAttributes['llm.model_name']
        ),
        if(
            SpanAttributes['ragtrace.decision.action'] = 'block'
                AND SpanAttributes['ragtrace.decision.mode'] != 'shadow', '1', ''
        )
    ] AS Told,
    SpanAttributes['ragtrace.tenant'] AS Tenant,
    if(
        ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.request.id'),
        0xFFFFFFFFFFFFFFFF,
        least(toUInt64OrZero(SpanAttributes['ragtrace.observed']), 0xFFFFFFFF)
    ) AS Version
FROM otel_traces
WHERE arrayExists(
    key -> startsWith(key, 'ragtrace.flows')
        OR key IN ('gen_ai.retrieval.documents', 'ragtrace.decision.action'),
    mapKeys(SpanAttributes)
);

CREATE MATERIALIZED VIEW IF NOT EXISTS decisions_mv TO decisions AS
WITH
    SpanAttributes['ragtrace.completion.cached'] = 'true' AS cached,
    arrayFlatten(arrayMap(
        key -> JSONExtract(SpanAttributes[key], 'Array(Tuple(
            ord Nullable(UInt32), document String, source String, digest String, level String
        ))'),
        arrayFilter(
            key -> cached AND (key = 'ragtrace.flows' OR startsWith(key, 'ragtrace.flows.')),
            mapKeys(SpanAttributes)
        )
    )) AS found,
    JSONExtract(
        if(cached, SpanAttributes['ragtrace.completion.origins'], ''),
        'Array(Tuple(document String, source String, digest String, level String, evidence String,
        ord Nullable(UInt32)))'
    ) AS named
SELECT
    Timestamp,
    SpanId,
    TraceId,
    SpanAttributes['ragtrace.request.id'] AS RequestId,
    SpanAttributes['ragtrace.stage'] AS Stage,
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
    SpanAttributes['ragtrace.decision.action'] AS Action,
    SpanAttributes['ragtrace.decision.rule'] AS Rule,
    SpanAttributes['ragtrace.decision.reason'] AS Reason,
    SpanAttributes['ragtrace.decision.mode'] AS Mode,
    SpanAttributes['ragtrace.policy.digest'] AS Policy,
    SpanAttributes['ragtrace.prompt.digest'] AS PromptDigest,
    SpanAttributes['ragtrace.prompt.level'] AS PromptLevel,
    SpanAttributes['ragtrace.completion.digest'] AS CompletionDigest,
    toUInt32(arraySum(arrayMap(
        (key, value) -> if(
            key = 'ragtrace.flows' OR startsWith(key, 'ragtrace.flows.'),
            countSubstrings(value, '"ord":'), 0
        ),
        mapKeys(SpanAttributes), mapValues(SpanAttributes)
    ))) AS Flows,
    coalesce(
        nullIf(SpanAttributes['gen_ai.response.model'], ''),
        nullIf(SpanAttributes['gen_ai.request.model'], ''),
        SpanAttributes['llm.model_name']
    ) AS Model,
    cached AS Cached,
    toUInt32OrZero(SpanAttributes['ragtrace.completion.withheld']) AS Withheld,
    SpanAttributes['ragtrace.completion.level'] AS CompletionLevel,
    arrayMap( -- one that is among the flows is named by its place
        made -> if(
            isNull(made.ord),
            (made.document, made.source, made.digest, made.level, made.evidence),
            (
                arrayFirst(one -> one.ord = made.ord, found).document,
                arrayFirst(one -> one.ord = made.ord, found).source,
                arrayFirst(one -> one.ord = made.ord, found).digest,
                arrayFirst(one -> one.ord = made.ord, found).level,
                if(made.evidence = '', 'taint', made.evidence)
            )
        ),
        named
    ) AS Origins,
    if(
        ScopeName = 'ragtrace' AND mapContains(SpanAttributes, 'ragtrace.request.id'),
        0xFFFFFFFFFFFFFFFF,
        least(toUInt64OrZero(SpanAttributes['ragtrace.observed']), 0xFFFFFFFF)
    ) AS Version
FROM otel_traces
WHERE mapContains(SpanAttributes, 'ragtrace.decision.action');

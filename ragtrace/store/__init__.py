"""Traces, flows and contents in the engine: schema, migrations, every line of SQL."""

from ragtrace.store._access import ITSELF, NOBODY, OWNER, ROLES, Access, Role
from ragtrace.store._chain import Chain, ChainBrokenError, Decided, commitments, unchained
from ragtrace.store._chain_check import ChainState, check_chains, count_unchained
from ragtrace.store._chained import (
    ChainedStep,
    FlowLine,
    Stretch,
    Stub,
    entries_of,
    flow_lines,
    stretches,
)
from ragtrace.store._commitments import Commitments
from ragtrace.store._engine import Address
from ragtrace.store._entries import Entry, Head
from ragtrace.store._foreign import (
    adopted_traces,
    events_of,
    filed,
    forget_raw,
    own_steps,
    raw_traces,
    shared,
    stored_otherwise,
    told_otherwise,
    withdraw,
    withdraw_texts,
)
from ragtrace.store._judged import FlowKind, JudgedFlow, JudgedRow, Judging
from ragtrace.store._pages import Place
from ragtrace.store._questions import REACH_LIMIT, TraceNotFoundError
from ragtrace.store._reached import (
    GRADES,
    AnyFlow,
    By,
    Grade,
    Link,
    Matched,
    Reached,
    ReachedFlow,
    ReachRow,
    Sought,
)
from ragtrace.store._reader import ContentLike, FlowFilter, Reader, SpanLike
from ragtrace.store._readings import Reading
from ragtrace.store._retention import Retention
from ragtrace.store._root import has_vault_key, vault_key
from ragtrace.store._rows import (
    DecisionRow,
    FlowEdge,
    FlowRow,
    HourRow,
    OriginRow,
    SaidRow,
    Stats,
)
from ragtrace.store._sayings import QuestionError
from ragtrace.store._seal_key import SealKey
from ragtrace.store._seen import Seen
from ragtrace.store._shred import ShredPlan
from ragtrace.store._shreds import Gone, Shred, Target
from ragtrace.store._store import Store
from ragtrace.store._together import traces_of
from ragtrace.store._traces import SpanRow, Trace, TraceRow
from ragtrace.store._vault import Vault
from ragtrace.store._vault_state import VaultLevel
from ragtrace.store._words import words

__all__ = [
    "GRADES",
    "ITSELF",
    "NOBODY",
    "OWNER",
    "REACH_LIMIT",
    "ROLES",
    "Access",
    "Address",
    "AnyFlow",
    "By",
    "Chain",
    "ChainBrokenError",
    "ChainState",
    "ChainedStep",
    "Commitments",
    "ContentLike",
    "Decided",
    "DecisionRow",
    "Entry",
    "FlowEdge",
    "FlowFilter",
    "FlowKind",
    "FlowLine",
    "FlowRow",
    "Gone",
    "Grade",
    "Head",
    "HourRow",
    "JudgedFlow",
    "JudgedRow",
    "Judging",
    "Link",
    "Matched",
    "OriginRow",
    "Place",
    "QuestionError",
    "ReachRow",
    "Reached",
    "ReachedFlow",
    "Reader",
    "Reading",
    "Retention",
    "Role",
    "SaidRow",
    "SealKey",
    "Seen",
    "Shred",
    "ShredPlan",
    "Sought",
    "SpanLike",
    "SpanRow",
    "Stats",
    "Store",
    "Stretch",
    "Stub",
    "Target",
    "Trace",
    "TraceNotFoundError",
    "TraceRow",
    "Vault",
    "VaultLevel",
    "adopted_traces",
    "check_chains",
    "commitments",
    "count_unchained",
    "entries_of",
    "events_of",
    "filed",
    "flow_lines",
    "forget_raw",
    "has_vault_key",
    "own_steps",
    "raw_traces",
    "shared",
    "stored_otherwise",
    "stretches",
    "told_otherwise",
    "traces_of",
    "unchained",
    "vault_key",
    "withdraw",
    "withdraw_texts",
    "words",
]

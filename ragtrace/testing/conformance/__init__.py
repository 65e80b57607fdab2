"""What every integration has to hold, as checks that it passes by naming an adapter."""

from ragtrace.testing.conformance._adapter import Adapter, Claim, Kit, Path, Paths, pieces
from ragtrace.testing.conformance._manners import (
    enforces_when_telemetry_fails,
    hides_from_neighbours,
    leaves_as_it_came,
    leaves_exceptions_alone,
    wraps_once,
)
from ragtrace.testing.conformance._matrix import (
    check_customer,
    everything_leaks_without_hooks,
    one_secret,
    stays_blocked,
)
from ragtrace.testing.conformance._readers import (
    keeps_labels_of_answers,
    never_mixes_streams,
    never_mixes_tasks,
    never_mixes_threads,
)
from ragtrace.testing.conformance._record import (
    ends_streams_that_are_left,
    keeps_text_out,
    tells_of_every_document,
)
from ragtrace.testing.conformance._secret import (
    DECISIONS,
    LEVEL,
    NOTES,
    PUBLIC,
    REFUSAL,
    REWORDED,
    SECRET,
    Note,
    leaks,
    question,
    write_policy,
)
from ragtrace.testing.conformance._stage import Stage, stage
from ragtrace.testing.conformance._suite import Conformance
from ragtrace.testing.conformance._wire import BROKEN, Wire

__all__ = [
    "BROKEN",
    "DECISIONS",
    "LEVEL",
    "NOTES",
    "PUBLIC",
    "REFUSAL",
    "REWORDED",
    "SECRET",
    "Adapter",
    "Claim",
    "Conformance",
    "Kit",
    "Note",
    "Path",
    "Paths",
    "Stage",
    "Wire",
    "check_customer",
    "ends_streams_that_are_left",
    "enforces_when_telemetry_fails",
    "everything_leaks_without_hooks",
    "hides_from_neighbours",
    "keeps_labels_of_answers",
    "keeps_text_out",
    "leaks",
    "leaves_as_it_came",
    "leaves_exceptions_alone",
    "never_mixes_streams",
    "never_mixes_tasks",
    "never_mixes_threads",
    "one_secret",
    "pieces",
    "question",
    "stage",
    "stays_blocked",
    "tells_of_every_document",
    "wraps_once",
    "write_policy",
]

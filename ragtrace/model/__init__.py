"""What flowed: frozen records and content ids."""

from ragtrace.model._attribution import Attribution, Span, Verdict
from ragtrace.model._audience import Audience
from ragtrace.model._chunk import Chunk, Document, Passage
from ragtrace.model._decision import Action, Decision, Mode, strictest
from ragtrace.model._digest import digest, digest_messages
from ragtrace.model._flow import Flow, Stage
from ragtrace.model._label import Integrity, Label, LabelledRange
from ragtrace.model._origin import Evidence, Origin
from ragtrace.model._prompt import Completion, Message, Prompt
from ragtrace.model._source import Source

__all__ = [
    "Action",
    "Attribution",
    "Audience",
    "Chunk",
    "Completion",
    "Decision",
    "Document",
    "Evidence",
    "Flow",
    "Integrity",
    "Label",
    "LabelledRange",
    "Message",
    "Mode",
    "Origin",
    "Passage",
    "Prompt",
    "Source",
    "Span",
    "Stage",
    "Verdict",
    "digest",
    "digest_messages",
    "strictest",
]

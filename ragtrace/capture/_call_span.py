"""Call span: what is written about a model call before it is made, and the texts of it."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind

from ragtrace.capture._assembly import Assembly
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._vault import Vault
from ragtrace.model import Completion, Prompt
from ragtrace.wire import (
    AttributeValue,
    encode_account,
    encode_decision,
    encode_plain,
    names,
    subject_of,
    weave,
)

__all__ = ["Model", "file_texts", "start_span"]


@dataclass(frozen=True, slots=True)
class Model:
    """What is asked.

    Attributes:
        operation: ``chat`` or ``text_completion``.
        name: As the provider calls it, if known.
    """

    operation: str
    name: str | None = None
    provider: str | None = None


def start_span(
    runtime: Runtime, request: Request, model: Model, made: Assembly, *, stream: bool
) -> Span:
    """A span that says what is asked of whom, and what was decided about it."""
    attributes: dict[str, AttributeValue] = {
        names.GEN_AI_OPERATION: model.operation,
        names.STAGE: "prompt",
        names.PROMPT_LEVEL: made.label.level,
        names.PROMPT_DIGEST: Prompt(made.messages).digest,
        **encode_account(made.account),
        **encode_decision(made.decision),
        **encode_plain(made.plain),
    }
    if model.name:
        attributes[names.GEN_AI_REQUEST_MODEL] = model.name
    if model.provider:
        attributes[names.GEN_AI_PROVIDER] = model.provider
    if stream:
        attributes[names.GEN_AI_STREAM] = True
    name = f"{model.operation} {model.name}" if model.name else model.operation
    return runtime.start_span(request, name, attributes, SpanKind.CLIENT)


def file_texts(vault: Vault, request: Request, made: Assembly, completion: Completion) -> None:
    """Send away the prompt as a rope, the documents it refers to, and the completion."""
    prompt, level = Prompt(made.messages), made.label.level
    documents = [one for one in made.found if one.chunk in made.texts]
    rope = weave(prompt, documents, made.texts)
    whose = subject_of(request.user, request.session)
    vault.put("prompt", prompt.digest, level, rope.to_json(), whose)
    for name, document in _documents(made, rope.references):
        vault.put("chunk", name, level, made.texts[name], document)
    if completion.text:
        vault.put("completion", completion.digest, level, completion.text, whose)


def _documents(made: Assembly, digests: set[str]) -> set[tuple[str, str]]:
    """Digests, each with every document that it is a passage of, as far as that is known."""
    chunks = [flow.chunk for flow in made.flows if flow.chunk.digest in digests]
    known = {(chunk.digest, f"document:{chunk.document.id}") for chunk in chunks}
    return known | {(name, "") for name in digests - {chunk.digest for chunk in chunks}}

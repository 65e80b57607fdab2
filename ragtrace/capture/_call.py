"""Call: one model call, decided before the first token and guarded to the last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ragtrace.attribution import WITHHELD, Guard
from ragtrace.capture._assembly import Assembly, assemble
from ragtrace.capture._guarded import guarded
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._spans import set_flows
from ragtrace.errors import PolicyBlocked
from ragtrace.model import Action, Completion, Message, Prompt
from ragtrace.policy import judge_found, protected, without_readable
from ragtrace.wire import AttributeValue, encode_account, encode_decision, names, weave

__all__ = ["TEXT", "Call", "Model"]

TEXT: Final = "text"
"""The channel of what a reader reads."""

LEFT: Final = (GeneratorExit, asyncio.CancelledError)
"""What ends a stream whose reader has gone away."""


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


class Call:
    """One model call of a request.

    ``blocked`` is known as soon as the object exists: nothing has been sent by then. The
    caller sends ``messages``, passes what comes back through ``say`` and ``rest`` (a stream)
    or ``whole`` and ``record``, and ends with ``finish``; or it calls ``refuse`` and sends
    nothing.
    """

    def __init__(
        self,
        runtime: Runtime,
        request: Request,
        model: Model,
        messages: Sequence[Message],
        *,
        stream: bool = False,
    ) -> None:
        self._runtime = runtime
        self._request = request
        self._original = tuple(messages)
        self._assembly: Assembly = assemble(runtime, request, self._original)
        self._guards: dict[str, Guard] = {}
        self._withheld = 0
        self._said: list[str] = []
        self._done = False
        self._usage: tuple[int, int] | None = None
        self._span: Span | None = None
        with guarded("model span"):
            self._span = self._start(model, stream)

    @property
    def blocked(self) -> bool:
        """Whether the model must not be called."""
        return self._assembly.decision.action is Action.BLOCK

    @property
    def messages(self) -> tuple[Message, ...]:
        """What may be sent, one for one with what was given."""
        return self._assembly.messages

    @property
    def armed(self) -> bool:
        """Whether anything in the prompt may not be said; where not, nothing is held back."""
        return bool(self._assembly.protected)

    def refuse(self) -> str:
        """The text to answer with instead of calling the model.

        From here on every model call of this request is refused.

        Raises:
            PolicyBlocked: The policy wants an exception.
        """
        decision = self._assembly.decision
        self._request.block(decision)
        error = PolicyBlocked(decision)
        if self._runtime.policy.on_block == "raise":
            self.finish(error)
            raise error
        self._said.append(self._runtime.policy.refusal)
        self.finish(error)
        return self._runtime.policy.refusal

    def say(self, delta: str, channel: str = TEXT) -> str:
        """The part of a streamed answer that may leave now.

        Args:
            delta: What arrived.
            channel: Parts of an answer that are put together separately, such as the
                arguments of a tool call, are guarded separately.
        """
        guard = self._guards.get(channel)
        if guard is None:
            guard = self._guards[channel] = self._assembly.guard()
        out = guard.feed(delta)
        if channel == TEXT:
            self._said.append(out)
        return out

    def rest(self) -> dict[str, str]:
        """What was held back, by channel, of a stream that has come to its end."""
        held = {channel: guard.close() for channel, guard in self._guards.items()}
        self._said.append(held.get(TEXT, ""))
        return {channel: text for channel, text in held.items() if text}

    def whole(self, *texts: str) -> list[str]:
        """A whole answer without what may not be said; its parts, if it has several."""
        return self._through(self._assembly.guard(), texts)

    def record(self, text: str) -> None:
        """Note what the caller was given."""
        self._said.append(text)

    def cached(self, *texts: str) -> list[str]:
        """A whole answer that a cache gave: it was made for somebody, and nobody knows whom.

        It is looked through for everything this process has seen, not only for what is in
        this prompt. If the judge fails, all of it is withheld.

        Args:
            texts: The answer; its parts, if it has several.
        """
        with guarded("cache hit"):
            if self._span is not None:
                self._span.set_attribute(names.CACHED, True)
        try:
            guard = self._guard_against_everything("".join(texts))
        except Exception:
            self._withheld += 1
            return [WITHHELD for _ in texts]
        return self._through(guard, texts)

    def _through(self, guard: Guard, texts: Sequence[str]) -> list[str]:
        """Texts that are read one behind the other; what is in two of them is found as well."""
        out = [guard.feed(guard.decoded(text)) for text in texts]
        if out:
            out[-1] += guard.close()
        self._withheld += guard.withheld
        return out

    def _guard_against_everything(self, text: str) -> Guard:
        policy, audience = self._runtime.policy, self._request.audience
        seen = self._runtime.ledger.attribute([Message("assistant", text)])
        found = without_readable(policy, seen.found, seen.chunks, audience)
        decisions = judge_found(policy, found, seen.chunks, audience)
        return Guard(
            passage
            for name, decision in decisions.items()
            if decision.action is not Action.ALLOW
            for passage in protected(policy, seen.chunks[name], audience)
        )

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the call with the block, noting an error, or a reader who went away early."""
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            partial = isinstance(error, LEFT)
            self.finish(None if partial else error, partial=partial)

    def used(self, tokens_in: int, tokens_out: int) -> None:
        """Note the tokens that the provider has counted."""
        self._usage = (tokens_in, tokens_out)

    def finish(
        self,
        error: BaseException | None = None,
        *,
        partial: bool = False,
    ) -> None:
        """End the call; a second time does nothing.

        Args:
            error: What the model, or the policy, raised.
            partial: The caller stopped reading before the end.
        """
        if self._done:
            return
        self._done = True
        completion = Completion("".join(self._said))
        with guarded("derived text"):
            self._runtime.ledger.said(completion.text)
        with guarded("model span"):
            self._end(completion, error, partial)

    def _start(self, model: Model, stream: bool) -> Span:
        made = self._assembly
        attributes: dict[str, AttributeValue] = {
            names.GEN_AI_OPERATION: model.operation,
            names.STAGE: "prompt",
            names.PROMPT_LEVEL: made.label.level,
            names.PROMPT_DIGEST: Prompt(made.messages).digest,
            **encode_account(made.account),
            **encode_decision(made.decision),
        }
        if model.name:
            attributes[names.GEN_AI_REQUEST_MODEL] = model.name
        if model.provider:
            attributes[names.GEN_AI_PROVIDER] = model.provider
        if stream:
            attributes[names.GEN_AI_STREAM] = True
        name = f"{model.operation} {model.name}" if model.name else model.operation
        return self._runtime.start_span(self._request, name, attributes, SpanKind.CLIENT)

    def _end(self, completion: Completion, error: BaseException | None, partial: bool) -> None:
        span = self._span
        if span is None:
            return
        if self._usage is not None:
            span.set_attribute(names.GEN_AI_INPUT_TOKENS, self._usage[0])
            span.set_attribute(names.GEN_AI_OUTPUT_TOKENS, self._usage[1])
        if partial:
            span.set_attribute(names.PARTIAL, True)
        if error is not None:
            span.set_attribute(names.ERROR_TYPE, type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
        if self._said:
            span.set_attribute(names.COMPLETION_DIGEST, completion.digest)
        withheld = self._withheld + sum(guard.withheld for guard in self._guards.values())
        span.set_attribute(names.WITHHELD, withheld)
        set_flows(self._runtime, span, self._assembly.flows)
        self._file(completion)
        span.end()

    def _file(self, completion: Completion) -> None:
        vault, made = self._runtime.vault, self._assembly
        if vault is None:
            return
        prompt = Prompt(made.messages)
        rope = weave(prompt, made.sent, made.texts)
        vault.put("prompt", prompt.digest, made.label.level, rope.to_json())
        for name in rope.references:
            vault.put("chunk", name, made.label.level, made.texts[name])
        if completion.text:
            vault.put("completion", completion.digest, made.label.level, completion.text)

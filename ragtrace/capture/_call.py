"""Call: one model call, decided before the first token and guarded to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import chain

from opentelemetry.trace import Span, Status, StatusCode

from ragtrace.attribution import WITHHELD, Guard
from ragtrace.capture._answer import TEXT, Answer, beside
from ragtrace.capture._assembly import Assembly, assemble
from ragtrace.capture._cached import judge_cached
from ragtrace.capture._call_span import Model, file_texts, start_span
from ragtrace.capture._derived import Derived
from ragtrace.capture._drawn import draw_call
from ragtrace.capture._ending import ending
from ragtrace.capture._failed import failed
from ragtrace.capture._guarded import guarded
from ragtrace.capture._request import Request
from ragtrace.capture._runtime import Runtime
from ragtrace.capture._spans import set_flows
from ragtrace.errors import PolicyBlocked
from ragtrace.model import Action, Audience, Message
from ragtrace.wire import AttributeValue, encode_decision, encode_lineage, names

__all__ = ["Call"]


class Call:
    """One model call of a request.

    ``blocked`` is known as soon as the object exists: nothing has been sent by then. The
    caller sends ``messages``, passes what comes back through ``say`` and ``rest`` (a stream)
    or ``whole`` and ``record``, and ends with ``finish``; or it calls ``refuse`` and sends
    nothing.

    Args:
        stream: Whether the answer comes in pieces.
        before: What the provider has kept of earlier calls. It is judged with the rest, and the
            call is blocked where something must be taken out of it, which nobody can.
        unseen: Why not all that is asked is in ``messages``, if so: what counts then, the policy
            says under ``judge-error``.
    """

    def __init__(
        self,
        runtime: Runtime,
        request: Request,
        model: Model,
        messages: Sequence[Message],
        *,
        stream: bool = False,
        before: Sequence[Message] = (),
        unseen: str | None = None,
    ) -> None:
        self._held = len(before)
        self._runtime = runtime
        self._request = request
        self._assembly: Assembly = assemble(
            runtime, request, (*before, *messages), held=len(before), unseen=unseen
        )
        self._answer = Answer(runtime, request, self._assembly)
        self._guards: dict[str, Guard] = {}
        self._withheld = 0
        self._done = False
        if stream:
            request.streams(self)
        self._usage: tuple[int, int] | None = None
        self._span: Span | None = None
        with guarded("model span"):
            self._span = start_span(runtime, request, model, self._assembly, stream=stream)

    @property
    def blocked(self) -> bool:
        """Whether the model must not be called."""
        return self._assembly.decision.action is Action.BLOCK

    @property
    def messages(self) -> tuple[Message, ...]:
        """What may be sent, one for one with what was given."""
        return self._assembly.messages[self._held :]

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
        self._answer.note(self._runtime.policy.refusal)
        self.finish(error)
        return self._runtime.policy.refusal

    def say(self, delta: str, channel: str = TEXT, *, noted: bool = True) -> str:
        """The part of a streamed answer that may leave now.

        Args:
            delta: What arrived.
            channel: Parts of an answer that are put together separately, such as the
                arguments of a tool call, are guarded separately.
            noted: Whether it is the answer, and not an earlier form of it that only those hear
                who listen on the way; such a form has channels of its own.
        """
        if not self._assembly.protected:  # nothing is held back, and so nothing is looked for
            if noted:
                self._answer.note(delta, channel)
            return delta
        guard = self._guards.get(channel)
        if guard is None:
            guard = self._guards[channel] = self._assembly.guard()
        out = guard.feed(delta)
        if noted:
            self._answer.note(out, channel)
        return out

    def unheld(self) -> Callable[[str], None] | None:
        """What notes a delta that leaves as it came; ``None`` where ``say`` must look at it."""
        return None if self._assembly.protected else self._answer.pieces().append

    def held(self, channel: str = TEXT) -> str:
        """What is held back of a channel, as it came."""
        guard = self._guards.get(channel)
        return "" if guard is None else guard.held

    def rest(self, *channels: str, noted: bool = True) -> dict[str, str]:
        """What was held back, by channel, of a stream that has come to its end.

        Args:
            channels: Those that have, where not all of them have.
            noted: As in ``say``.
        """
        held: dict[str, str] = {}
        for channel in channels or tuple(self._guards):
            if (guard := self._guards.pop(channel, None)) is not None:
                held[channel] = guard.close()
                self._withheld += guard.withheld
                if noted:
                    self._answer.note(held[channel], channel)
        return {channel: text for channel, text in held.items() if text}

    def whole(self, *texts: str) -> list[str]:
        """A whole answer without what may not be said; its parts, if it has several."""
        if not self._assembly.protected:
            return list(texts)
        return self._through(self._assembly.guard(), texts)

    def record(self, text: str, *aside: str) -> None:
        """Note what the caller was given; once for each answer where there are several.

        Args:
            text: What a reader reads.
            aside: The rest of it, such as arguments of tool calls: a model may be asked next
                about what stands there.
        """
        self._answer.record(text, aside)

    def cached(self, *texts: str, aside: Sequence[str] = ()) -> list[str]:
        """A whole answer that a cache gave: it was made for somebody, and nobody knows whom.

        If the judge fails, all of it is withheld unless the policy allows it.

        Args:
            texts: What a reader reads; its parts, if it has several.
            aside: The rest, as in ``record``. It comes back behind the texts.
        """
        parts = [*texts, *aside]
        with guarded("cache hit"):
            if self._span is not None:
                self._span.set_attribute(names.CACHED, True)
        try:
            said, rest, *each = (
                judge_cached(self._runtime, self._reader, text)
                for text in ("".join(texts), beside(aside), *aside)
            )
        except Exception as error:
            return self._unjudged(error, parts)
        self._answer.cached.extend(chunk for one in (said, rest, *each) for chunk in one.made)
        if said.guard is None or rest.guard is None:
            return self._nothing_of(parts)
        alone = (self._through(one.guard, [text]) for one, text in zip(each, aside, strict=True))
        return [*self._through(said.guard, texts), *chain.from_iterable(alone)]

    def _unjudged(self, error: Exception, texts: Sequence[str]) -> list[str]:
        """What is given of a cached answer that could not be judged; what that is, is recorded."""
        decision = failed(self._runtime, self._reader, error)
        with guarded("cache hit"):
            if self._span is not None:
                self._span.set_attributes(encode_decision(decision))
        return list(texts) if decision.action is Action.ALLOW else self._nothing_of(texts)

    def _nothing_of(self, texts: Sequence[str]) -> list[str]:
        self._withheld += 1
        return [WITHHELD for _ in texts]

    def _through(self, guard: Guard | None, texts: Sequence[str]) -> list[str]:
        """Texts that are read one behind the other; what is in two of them is found as well."""
        if guard is None:
            return self._nothing_of(texts)
        out = [guard.feed(guard.decoded(text)) for text in texts]
        if out:
            out[-1] += guard.close()
        self._withheld += guard.withheld
        return out

    def ended(self, then: Callable[[], object] | None = None) -> AbstractContextManager[None]:
        """End the call with the block, noting an error, or a reader who went away early.

        Args:
            then: What is to be done after that, whatever happens.
        """
        return ending(self, then)

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
        # Garbage collection ends an abandoned stream in whatever thread it runs in.
        if self._runtime.ledger.put_off(lambda: self.finish(error, partial=partial)):
            return
        self._done = True
        self._request.streamed(self)
        made: Derived | None = None
        with guarded("derived text"):
            if not self.blocked:  # a refusal is nobody's secret
                made = self._answer.remember(well=error is None and not partial)
        with guarded("model span"):
            self._end(made, error, partial)

    def catch_up(self) -> None:
        """Remember what a stream has said so far, for the next model that is asked."""
        if not self._done and not self.blocked:
            self._answer.catch_up()

    @property
    def _reader(self) -> Audience:
        return self._request.reader(self._runtime.policy)

    def _end(self, made: Derived | None, error: BaseException | None, partial: bool) -> None:
        span, completion = self._span, self._answer.completion
        if span is None:
            return
        said: dict[str, AttributeValue] = {}
        if self._usage is not None:
            said[names.GEN_AI_INPUT_TOKENS], said[names.GEN_AI_OUTPUT_TOKENS] = self._usage
        if partial:
            said[names.PARTIAL] = True
        if error is not None:
            said[names.ERROR_TYPE] = type(error).__name__
            # A message of anybody else's may hold text; what the policy says holds none.
            reason = str(error) if isinstance(error, PolicyBlocked) else None
            span.set_status(Status(StatusCode.ERROR, reason))
        if self._answer.began:
            known = made.chunk if made is not None and made.chunk.text == completion.text else None
            said[names.COMPLETION_DIGEST] = (known or completion).digest
        if made is not None:
            level = self._runtime.policy.labeller.effective(made.chunk).level
            said |= encode_lineage(level, made.chunk.origins, self._assembly.flows)
        withheld = self._withheld + sum(guard.withheld for guard in self._guards.values())
        said[names.WITHHELD] = withheld
        texts = draw_call(self._runtime, self._reader, self._assembly, completion.text)
        set_flows(self._runtime, span, self._assembly.flows, texts, said)
        if self._runtime.vault is not None:
            file_texts(self._runtime.vault, self._request, self._assembly, completion)
        span.end()

"""Declassify: one text released, from this process on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from re import fullmatch

from ragtrace.capture._request import current_request
from ragtrace.capture._runtime import Runtime, current, renew
from ragtrace.capture._setup import ensure
from ragtrace.errors import DeclassificationError, PolicyFileError
from ragtrace.labels import Declassification
from ragtrace.model import Chunk, Label, digest
from ragtrace.policy import read_policy, record_declassification

__all__ = ["declassify"]


def declassify(
    text_or_digest: str,
    *,
    to: str = "public",
    by: str,
    reason: str,
    expires: timedelta | datetime,
    compartments: Iterable[str] = (),
) -> Declassification:
    """Release one text, as ``ragtrace declassify`` does, and give the record of it.

    It goes into the file that the policy names under ``declassified``, and holds here when this
    returns; other processes read it with the policy's files. For that these are read anew, also
    where ``RAGTRACE_POLICY_RELOAD`` is 0. The text itself is not kept.

    Args:
        text_or_digest: A chunk's text or a completion, to the last character; or its digest of
            64 hex digits, ``ragtrace.completion.digest`` of its span.
        to: The level that it carries at most.
        by: Who does it.
        reason: Why; without quoting the text.
        expires: For how long, or until when (with its time zone); at most 365 days.
        compartments: Which of its compartments stay; all others fall, and so does a list of
            readers.

    Raises:
        DeclassificationError: There is no policy, or it names no file; the level is not one of
            its levels, or lowers nothing of what is known here of the text; something else is
            not as it should be. Nothing was recorded.
        PolicyFileError: The file cannot be used; or it is recorded, and the policy cannot be read
            anew.
    """
    ensure()
    runtime = current()
    if runtime is None or runtime.config.policy is None or runtime.policy.unreadable is not None:
        raise DeclassificationError("there is no policy in use, expected one to declassify by")
    if not text_or_digest:
        raise DeclassificationError("expected a text or its digest, got nothing")
    is_digest = fullmatch(r"[0-9a-fA-F]{64}", text_or_digest)
    name = text_or_digest.lower() if is_digest else digest(text_or_digest)
    at = datetime.fromtimestamp(runtime.wall(), UTC).replace(microsecond=0)
    made = record_declassification(
        runtime.policy,
        name,
        to=to,
        by=by,
        reason=reason,
        at=at,
        expires=_until(expires, at),
        compartments=compartments,
        known=_known(runtime, name, None if is_digest else text_or_digest),
    )
    _read_anew(runtime, made)
    return made


def _until(expires: timedelta | datetime, at: datetime) -> datetime:
    try:
        until = at + expires if isinstance(expires, timedelta) else expires
        if until.utcoffset() is None:
            raise DeclassificationError(f"expires: expected a time with its zone, got {until}")
        return until.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise DeclassificationError("expires: expected a time nearer by") from None


def _known(runtime: Runtime, name: str, text: str | None) -> Label | None:
    """The label of the text, where this process has seen it."""
    request, made = current_request(), runtime.ledger.completion(name)
    chunk: Chunk | None = request.own(name) if request is not None else None
    if chunk is None and text is not None:
        chunk = runtime.ledger.documents_in(text)[1].get(name)
    if chunk is None and made is not None:
        chunk = made.chunk
    return None if chunk is None else runtime.policy.labeller.effective(chunk)


def _read_anew(runtime: Runtime, made: Declassification) -> None:
    try:
        if runtime.reload is not None:
            runtime.reload.now()
        else:
            renew(None, read_policy(str(runtime.config.policy)))
        now = current()
        if now is not None and now.stale is not None:
            raise now.stale
    except PolicyFileError as error:
        raise PolicyFileError(
            f"recorded as {made.id}, and not yet in force here: {error}"
        ) from None

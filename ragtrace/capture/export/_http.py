"""HTTP: bodies go the way the standard exporter would send them."""

from __future__ import annotations

import gzip
import math
import time
import zlib
from email.utils import parsedate_to_datetime
from typing import Any, Final

from google.protobuf.message import DecodeError
from requests import PreparedRequest, RequestException, Response, Session

from ragtrace.capture.export._answer import Answer, partly
from ragtrace.errors import ConfigError

__all__ = ["HttpTransport"]

REFUSED: Final = frozenset({400, 413, 415, 422, 500})
"""What is said of the body itself. Any other status but success is about the way there: the token,
the address, a proxy, the load. OTLP forbids to repeat some of those; the body is kept for when that
is put right, and asked about ever more seldom."""

FAST: Final = 1
"""How hard bodies are compressed. They say the same again and again: this makes an eighth of them
in less than half of the time in which the usual level makes a ninth."""


class HttpTransport:
    """Sends bodies by HTTP, with the address, headers, certificates, compression and timeout of
    the exporter.

    Args:
        exporter: The class of the standard exporter, which reads ``OTEL_EXPORTER_OTLP_*``.
        response: The class of what is answered, in protobuf.

    Raises:
        ConfigError: The exporter cannot be asked how it would send.
    """

    def __init__(self, exporter: Any, response: Any) -> None:
        overheard = _Overheard()
        made = exporter(session=overheard)
        made.export(())
        if overheard.prepared is None:
            raise ConfigError("the installed OTLP exporter does not say how it would send")
        self._request, self._how = overheard.prepared, overheard.how
        self._response = response
        self._session = Session()

    def send(self, body: bytes, seconds: float) -> Answer:
        """Send ``body``; takes little more than ``seconds``."""
        request = self._request.copy()
        request.prepare_body(_compressed(body, request.headers), None)
        timeout = self._how.get("timeout") or seconds
        how = {**self._how, "timeout": min(timeout, seconds)}
        try:
            answer = self._session.send(request, **how)
        except RequestException as error:
            # Its message holds the address, and an address may hold a password.
            return Answer("later", why=type(error).__name__)
        return self._read(answer)

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def _read(self, answer: Response) -> Answer:
        status = answer.status_code
        if 200 <= status < 300:
            try:
                return partly(self._response.FromString(answer.content))
            except (DecodeError, RequestException):
                return Answer("taken")
        why = f"the back end answered {status}"
        if status in REFUSED:
            return Answer("refused", why=why)
        return Answer("later", _seconds(answer.headers.get("retry-after")), why=why)


class _Overheard(Session):
    """Keeps what it is to send, and sends nothing."""

    prepared: PreparedRequest | None = None

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        self.prepared, self.how = request, kwargs
        answer = Response()
        answer.status_code = 200
        return answer


def _compressed(body: bytes, headers: Any) -> bytes:
    encoding = headers.get("content-encoding")
    if encoding == "gzip":
        return gzip.compress(body, FAST)
    return zlib.compress(body, FAST) if encoding == "deflate" else body


def _seconds(said: str | None) -> float | None:
    """What ``Retry-After`` asks for, in either of its forms."""
    if said is None:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None

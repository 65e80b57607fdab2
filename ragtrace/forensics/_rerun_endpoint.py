"""Endpoint: a model behind the chat API of OpenAI, asked for one answer at a time."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from ragtrace.errors import MissingDependencyError
from ragtrace.forensics._rerun_plan import RerunError
from ragtrace.model import Message

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState

__all__ = ["Answer", "Endpoint", "NoAnswer"]

SECONDS: Final = 120.0
"""For one answer: a long one of a slow model takes a minute."""
TRIES: Final = 5
"""Of one call; the last waits add up to about half a minute, as long as a rate limit lasts."""
FIRST_WAIT: Final = 0.5
"""Seconds before the second try at most; the bound doubles with each, and the wait is drawn."""
LONGEST_WAIT: Final = 30.0
"""Seconds between two tries, also where the endpoint asks for longer."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of a response: a thousand times what a long answer takes."""
BUSY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same call may succeed."""


class NoAnswer(RerunError):
    """One call gave no usable answer; another may."""


class _Busy(Exception):
    """The endpoint may answer if it is asked again, in so many seconds."""

    def __init__(self, what: str, seconds: float = 0.0) -> None:
        super().__init__(what)
        self.seconds = seconds


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """What a model said; its ``repr`` does not show it.

    Attributes:
        tokens: Sent and received, as the endpoint counted them; ``None`` where it does not say.
    """

    text: str
    tokens: tuple[int, int] | None

    def __repr__(self) -> str:
        """Say how long it is."""
        return f"Answer({len(self.text)} characters)"


class Endpoint:
    """Where prompts are sent, and nobody else: no redirect is followed, no proxy asked.

    Args:
        url: Up to where ``/chat/completions`` follows, as in ``https://api.example.com/v1``.
        model: Its name there.
        key: Sent as a bearer token; it is in no error and no ``repr``.
        temperature: As the API has it.
        sleep: Waits so many seconds between two tries.

    Raises:
        RerunError: The URL is none, or is not encrypted and leaves this machine.
        MissingDependencyError: The packages of the extra ``server`` are not installed.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None = None,
        *,
        temperature: float = 0.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        try:
            import httpx
            import tenacity
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "server") from None
        self.host: Final = _host(url)
        self.model: Final = model
        self.temperature: Final = temperature
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(headers=headers, timeout=SECONDS, trust_env=False)
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._again = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Busy),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_wait,
            reraise=True,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        """Name host and model."""
        return f"Endpoint({self.host}, {self.model})"

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the connection."""
        self._http.close()

    def ask(self, messages: Sequence[Message]) -> Answer:
        """Give the model's answer, trying again where the endpoint is busy or away.

        Raises:
            NoAnswer: It stayed busy or away, or its response is no chat completion.
            RerunError: It refuses: the key, the model or the prompt.
        """
        body = {
            "model": self.model,
            "messages": [{"role": one.role, "content": one.text} for one in messages],
            "temperature": self.temperature,
        }
        try:
            return _answer(self._again(self._post, _encoded(body)))
        except _Busy as error:
            raise NoAnswer(f"{self.host}: {error}, {TRIES} times") from None

    def _post(self, body: bytes) -> bytes:
        import httpx

        kind = {"content-type": "application/json"}
        try:
            with self._http.stream("POST", self._url, content=body, headers=kind) as response:
                self._check(response)
                return self._read(response)
        except httpx.TransportError as error:
            raise _Busy(type(error).__name__) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RerunError(f"{self.host}: {type(error).__name__}") from None

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in BUSY:
            raise _Busy(f"status {status}", _asked_for(response.headers.get("retry-after", "")))
        if status != 200:  # its body may say the prompt again, so it is not shown
            raise RerunError(f"{self.host}: status {status}, expected 200")

    def _read(self, response: httpx.Response) -> bytes:
        read = bytearray()
        for part in response.iter_bytes():
            read += part
            if len(read) > MOST_BYTES:
                raise NoAnswer(f"{self.host}: a response of more than {MOST_BYTES} bytes")
        return bytes(read)


def _host(url: str) -> str:
    said = urlsplit(url)
    host = said.hostname or ""
    if said.scheme not in ("http", "https") or not host:
        raise RerunError("endpoint: expected a URL such as https://api.example.com/v1")
    if said.username or said.password or said.query or said.fragment:
        raise RerunError("endpoint: expected a URL without user, password, query or fragment")
    if said.scheme == "http" and not _is_here(host):
        raise RerunError(f"endpoint: {host}: expected https, but on this machine itself")
    return host if said.port is None else f"{host}:{said.port}"


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _encoded(body: dict[str, Any]) -> bytes:
    # Half a character, which a recorded prompt may hold, goes as JSON's escape of it.
    return json.dumps(body, ensure_ascii=True).encode("ascii")


def _answer(body: bytes) -> Answer:
    """The text of a chat completion, whatever else it says.

    Raises:
        NoAnswer: It is none, or has no text.
    """
    try:
        said = json.loads(body)
        text = said["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NoAnswer("the response is no chat completion") from None
    if not isinstance(text, str):
        raise NoAnswer("the response has no text: the model may have called a tool")
    usage = said.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    sent, received = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if type(sent) is int and type(received) is int and min(sent, received) >= 0:
        return Answer(text, (sent, received))
    return Answer(text, None)


def _asked_for(header: str) -> float:
    return float(header) if header.isascii() and header.isdigit() and len(header) < 6 else 0.0


def _wait(state: RetryCallState) -> float:
    """What the endpoint asks for, else longer each time; within bounds."""
    import tenacity

    failed = state.outcome.exception() if state.outcome is not None else None
    asked = failed.seconds if isinstance(failed, _Busy) else 0.0
    longer = tenacity.wait_random_exponential(FIRST_WAIT, LONGEST_WAIT)
    return min(LONGEST_WAIT, max(asked, longer(state)))

"""ASGI: for whom each request is, by whom that is said, and for how long it is open."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

pytest.importorskip("jwt")
pytest.importorskip("starlette")
pytest.importorskip("httpx")

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from opentelemetry.propagate import extract
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

import ragtrace
from ragtrace.capture import current_request
from ragtrace.errors import ConfigError
from ragtrace.testing import Recorder, recording
from ragtrace_asgi import Claims, Jwt, Proxy, UnknownCaller
from ragtrace_asgi._keys import COOL_DOWN, FRESH, STALE, Keys
from tests.forked import PATIENCE, forks, goes_on_in_child
from tests.integrations.conftest import Start
from tests.integrations.kit import SECRET, Kit, joined, leaks
from tests.integrations.scripted import Scripted
from tests.integrations.spans import of

POLICY = """
version: 1
levels: [public, staff_only]
audiences:
  customer: {clearance: public}
  staff: {clearance: staff_only}
"""
ISSUER, SERVICE = "https://login.bank.example", "assistant"

Serve = Callable[..., TestClient]


@pytest.fixture(scope="module")
def secret() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: rsa.RSAPrivateKey, kid: str, **more: str) -> dict[str, Any]:
    found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**found, "kid": kid, **more}


def token(key: Any, algorithm: str = "RS256", kid: str | None = None, **claims: Any) -> str:
    said = {"iss": ISSUER, "aud": SERVICE, "exp": time.time() + 60, "sub": "u1", "role": "staff"}
    said = {name: value for name, value in {**said, **claims}.items() if value is not None}
    headers = {"kid": kid} if kid is not None else None
    return str(jwt.encode(said, key, algorithm=algorithm, headers=headers))


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def recorder(tmp_path: Any) -> Iterator[Recorder]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    with recording(str(path), instrument=False) as made:
        yield made


async def who(asked: Asked) -> JSONResponse:
    """What the application finds open around it."""
    found = current_request()
    assert found is not None
    return JSONResponse([found.audience, found.user, found.tenant, found.session])


async def fails(asked: Asked) -> None:
    raise ZeroDivisionError("the application's own")


@pytest.fixture
def serve(recorder: Recorder) -> Serve:
    """A client of an application with these routes."""

    def made(routes: Any, peer: Any = ("10.1.2.3", 50000), **settings: Any) -> TestClient:
        app = Starlette(
            routes=[Route("/fails", fails), Route("/{path:path}", who)],
            middleware=[Middleware(ragtrace.AsgiMiddleware, routes=routes)],
        )

        async def from_peer(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "client": peer}, receive, send)

        return TestClient(from_peer, **settings)

    return made


def basis(recorder: Recorder) -> Any:
    """Who vouched for the last request, or why nobody did."""
    span = recorder.spans[-1]
    assert span.name == "ragtrace.request"
    return span.attributes["ragtrace.audience.basis"]


# --- routes ---------------------------------------------------------------------------------


def test_the_first_route_that_fits_says_for_whom(serve: Serve, recorder: Recorder) -> None:
    """A star stands for any text; nothing else is special."""
    client = serve({"/staff/*": "staff", "/a.b": "staff", "*": "customer"})
    for path, audience in (("/staff/x/y", "staff"), ("/a.b", "staff"), ("/aXb", "customer")):
        assert client.get(path).json()[0] == audience
        assert basis(recorder) == "route"


@pytest.mark.parametrize("path", ["/other", "/staff//x", "/staff/../x", "/staff/x\\y", "/staff"])
def test_a_path_that_fits_none_is_for_nobody_known(recorder: Recorder, path: str) -> None:
    """Nor one that somebody else may read as another."""
    scope = {"type": "http", "path": path, "headers": []}
    seen: list[str | None] = []

    async def app(*_: Any) -> None:
        found = current_request()
        seen.append(found.audience if found else None)

    asyncio.run(ragtrace.AsgiMiddleware(app, {"/staff/*": "staff"})(scope, None, None))
    assert seen == ["unknown"]
    assert basis(recorder) == "no-route"
    assert recorder.spans[-1].attributes["ragtrace.audience.known"] is False


def test_the_setting_for_requests_without_an_audience_does_not_count(tmp_path: Any) -> None:
    """Who is unknown at the edge is not who is meant where nobody was asked."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    with recording(str(path), instrument=False, audience="staff"):
        app = Starlette(routes=[Route("/", who)])
        app.add_middleware(ragtrace.AsgiMiddleware, routes={"/other": "staff"})
        assert TestClient(app).get("/").json()[0] == "unknown"


# --- tokens ---------------------------------------------------------------------------------


def claims(read: Any, **names: Any) -> Claims:
    return Claims(read, audience="role", tenant="tenant", session="sid", **names)


def test_a_verified_token_says_who(serve: Serve, recorder: Recorder, secret: Any) -> None:
    """Audience, user, tenant and session."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], key=pem(secret))
    client = serve({"*": claims(read)})
    said = token(secret, tenant="acme", sid="s1")
    assert client.get("/", headers=bearer(said)).json() == ["staff", "u1", "acme", "s1"]
    assert basis(recorder) == "jwt"


def forged(secret: Any, stranger: Any) -> dict[str, tuple[str | None, str]]:
    """Tokens that are not what they should be, and what is recorded of each."""
    hmac = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    good = token(secret)
    return {
        "none": (None, "no-token"),
        "not a token": ("x", "bad-token"),
        "binary": ("é.é.é", "bad-token"),
        "another key": (token(stranger), "bad-token"),
        "no algorithm": (token(None, "none"), "bad-token"),
        "an algorithm that is not pinned": (token(secret, "RS512"), "bad-token"),
        "the public key as a secret": (f"{hmac}.{good.split('.')[1]}.AAAA", "bad-token"),
        "changed": (f"{good[:-8]}AAAAAAAA", "bad-token"),
        "expired": (token(secret, exp=time.time() - 5), "expired-token"),
        "not yet": (token(secret, nbf=time.time() + 60), "expired-token"),
        "no end": (token(secret, exp=None), "bad-token"),
        "no issuer": (token(secret, iss=None), "bad-token"),
        "another issuer": (token(secret, iss="https://evil.example"), "bad-token"),
        "no service": (token(secret, aud=None), "bad-token"),
        "another service": (token(secret, aud="other"), "bad-token"),
        "too long": ("x" * 20_000, "bad-token"),
        "no role": (token(secret, role=None), "no-audience"),
        "a role that is no word": (token(secret, role={"a": 1}), "bad-claim"),
        "a role with a line end": (token(secret, role="staff\n"), "bad-claim"),
        "a tenant that is no word": (token(secret, tenant=["a"]), "bad-claim"),
        "a role that is too long": (token(secret, role="x" * 201), "bad-claim"),
    }


def test_a_token_that_is_not_what_it_should_be_is_nobodys(
    serve: Serve, recorder: Recorder, secret: Any, stranger: Any
) -> None:
    """The request goes on, for the least cleared audience, and the span says why."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], key=pem(secret))
    client = serve({"*": claims(read)})
    for fault, (text, why) in forged(secret, stranger).items():
        headers = {} if text is None else {"Authorization": f"Bearer {text}".encode("latin-1")}
        got = client.get("/", headers=headers).json()
        assert (got, basis(recorder)) == (["unknown", None, None, None], why), fault


def test_two_tokens_are_nobodys(serve: Serve, recorder: Recorder, secret: Any) -> None:
    """Which of them the application takes is not known here."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], key=pem(secret))
    client = serve({"*": claims(read)})
    twice = [("Authorization", f"Bearer {token(secret)}")] * 2
    assert client.get("/", headers=twice).json()[0] == "unknown"
    assert basis(recorder) == "bad-token"


@pytest.mark.parametrize(
    ("roles", "audience", "why"),
    [
        ("teller", "staff", "jwt"),
        (["x", "teller", "adviser"], "staff", "jwt"),
        (["teller", "client"], "unknown", "conflict"),
        (["x"], "unknown", "no-audience"),
        ([], "unknown", "no-audience"),
        ([["teller"], {"a": 1}], "unknown", "no-audience"),
        ("staff", "unknown", "no-audience"),
    ],
)
def test_roles_are_of_one_audience_or_of_none(
    serve: Serve, recorder: Recorder, secret: Any, roles: Any, audience: str, why: str
) -> None:
    """Values of a claim that may be inside of another."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], key=pem(secret))
    audiences = {"teller": "staff", "adviser": "staff", "client": "customer"}
    said = Claims(read, audience=("realm_access", "roles"), audiences=audiences)
    text = token(secret, realm_access={"roles": roles})
    assert serve({"*": said}).get("/", headers=bearer(text)).json()[0] == audience
    assert basis(recorder) == why


# --- key sets -------------------------------------------------------------------------------


class Place:
    """Where a key set is had; counts who asks."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys, self.asked, self.down = list(keys), 0, False

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise OSError("down")
        return {"keys": self.keys}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def look(keys: Keys, kid: str | None) -> Any:
    if keys.due(kid):
        keys.refresh(kid)
    return keys.get(kid)


def test_keys_are_asked_for_when_they_are_needed(secret: Any, stranger: Any) -> None:
    """A new key is found, one that was taken back is refused, and strangers cannot make us ask."""
    place, clock = Place(jwk(secret, "a")), Clock()
    keys = Keys(place, clock)
    assert look(keys, "a") and look(keys, "a") and place.asked == 1
    for name in ("x", "y", "z"):
        with pytest.raises(KeyError):
            look(keys, name)
    assert place.asked == 1
    clock.now = COOL_DOWN
    place.keys = [jwk(stranger, "b")]
    assert look(keys, "b") and place.asked == 2
    with pytest.raises(KeyError):
        look(keys, "a")


def test_keys_are_believed_for_a_while_where_nobody_answers(secret: Any) -> None:
    """Then nobody is."""
    place, clock = Place(jwk(secret, "a")), Clock()
    keys = Keys(place, clock)
    look(keys, "a")
    place.down, clock.now = True, FRESH
    assert look(keys, "a") and place.asked == 2
    clock.now = STALE
    with pytest.raises(LookupError, match="no keys"):
        look(keys, "a")


def test_who_comes_while_the_first_keys_are_asked_for_waits_for_them(secret: Any) -> None:
    """Only where there are none yet: a caller whose key is known does not wait for others'."""
    clock, place = Clock(), Place(jwk(secret, "a"))
    coming, answered = threading.Event(), threading.Event()

    def slowly() -> dict[str, Any]:
        coming.set()
        answered.wait(PATIENCE)
        return place()

    keys = Keys(slowly, clock)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(look, keys, "a")
        coming.wait(PATIENCE)
        others = [pool.submit(look, keys, "a") for _ in range(3)]
        assert keys.due("a")
        answered.set()
        assert all(one.result(PATIENCE) for one in (first, *others)) and place.asked == 1
        clock.now = FRESH
        coming.clear()
        answered.clear()
        again = pool.submit(look, keys, "a")
        coming.wait(PATIENCE)
        assert look(keys, "a") and not again.done()
        answered.set()
        assert again.result(PATIENCE) and place.asked == 2


@forks
def test_a_worker_that_is_forked_while_keys_are_asked_for_asks_itself(secret: Any) -> None:
    """The answer to the other question comes to another process."""
    keys = Keys(Place(jwk(secret, "a")), Clock())
    coming, over = threading.Event(), threading.Event()
    fetch = keys._fetch

    def never() -> dict[str, Any]:
        coming.set()
        over.wait(PATIENCE)
        raise OSError("gone")

    keys._fetch = never
    asking = threading.Thread(target=keys.refresh, args=("a",))
    asking.start()
    coming.wait(PATIENCE)

    def ask() -> None:
        keys._fetch = fetch
        assert look(keys, "a")

    assert goes_on_in_child(ask)
    over.set()
    asking.join()


def test_keys_that_sign_nothing_are_no_keys(secret: Any) -> None:
    """A shared secret, a key for another use, and what is no key at all."""
    odd = [{"kty": "oct", "k": "AAAA", "kid": "o"}, jwk(secret, "e", use="enc"), {"kty": "RSA"}]
    keys = Keys(Place(*odd, jwk(secret, "a")), Clock())
    assert look(keys, None)
    for name in ("o", "e"):
        with pytest.raises(KeyError):
            keys.get(name)


@pytest.fixture
def login(secret: Any) -> Iterator[str]:
    """URL of a server that has the keys, at /keys, and sends those who ask for /moved there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/keys")
                self.end_headers()
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [jwk(secret, "a", alg="RS256")]}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("where", "kid", "audience", "why"),
    [
        ("/keys", "a", "staff", "jwt"),
        ("/keys", None, "staff", "jwt"),
        ("/keys", "b", "unknown", "bad-token"),
        ("/moved", "a", "unknown", "no-keys"),
    ],
)
def test_a_key_set_is_fetched(
    serve: Serve,
    recorder: Recorder,
    secret: Any,
    login: str,
    where: str,
    kid: Any,
    audience: str,
    why: str,
) -> None:
    """From where the configuration says, and from nowhere else."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], jwks=login + where)
    client = serve({"*": claims(read)})
    for _ in range(2):
        said = bearer(token(secret, kid=kid))
        assert client.get("/", headers=said).json()[0] == audience
        assert basis(recorder) == why


def test_a_key_is_for_the_algorithm_that_the_set_says(serve: Serve, secret: Any) -> None:
    """Also where several are pinned."""
    known = {"keys": [jwk(secret, "a", alg="RS256")]}
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256", "PS256"], jwks=known)
    client = serve({"*": claims(read)})
    for algorithm, audience in (("RS256", "staff"), ("PS256", "unknown")):
        said = bearer(token(secret, algorithm, kid="a"))
        assert client.get("/", headers=said).json()[0] == audience


# --- proxies and logins ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        (("10.1.2.3", 1), True),
        (("::ffff:10.1.2.3", 1), True),
        (("11.1.2.3", 1), False),
        (("testclient", 1), False),
        (None, False),
    ],
)
def test_headers_count_from_trusted_peers_only(
    serve: Serve, recorder: Recorder, peer: Any, trusted: bool
) -> None:
    """From anybody else they are what anybody may write."""
    said = Claims(Proxy("10.0.0.0/8", "fd00::/8"), audience="x-audience", user="x-user")
    headers = {"X-Audience": "staff", "X-User": "u1"}
    got = serve({"*": said}, peer).get("/", headers=headers).json()
    assert got[:2] == (["staff", "u1"] if trusted else ["unknown", None])
    assert basis(recorder) == ("proxy" if trusted else "untrusted-peer")


@pytest.mark.parametrize("audiences", [None, {"staff": "staff"}])
def test_a_header_that_is_there_twice_is_nobodys(serve: Serve, audiences: Any) -> None:
    """The proxy has added its own to what a caller had written."""
    client = serve({"*": Claims(Proxy("10.0.0.0/8"), audience="x-audience", audiences=audiences)})
    twice = [("X-Audience", "staff"), ("x-audience", "customer")]
    assert client.get("/", headers=twice).json()[0] not in ("staff", "customer")


def test_the_applications_own_login_may_say_who(serve: Serve, recorder: Recorder) -> None:
    """A callable, also one that has to wait; without claims, nobody is known."""

    async def session(scope: Any) -> Any:
        return {"role": "staff", "sub": "u7"} if scope["path"] == "/in" else None

    def broken(scope: Any) -> Any:
        if scope["path"] == "/raises":
            raise UnknownCaller("no-token")
        return 1 / 0

    client = serve({"/in": claims(session), "/out": claims(session), "*": claims(broken)})
    for path, audience, why in (
        ("/in", "staff", "claims"),
        ("/out", "unknown", "no-claims"),
        ("/breaks", "unknown", "no-claims"),
        ("/raises", "unknown", "no-token"),
    ):
        assert client.get(path).json()[0] == audience
        assert basis(recorder) == why


def test_several_who_say_it_must_agree(serve: Serve, recorder: Recorder, secret: Any) -> None:
    """A customer's token on a path for staff is nobody's, and so is no token."""
    read = Jwt(issuer=ISSUER, audience=SERVICE, algorithms=["RS256"], key=pem(secret))
    both = Claims(Proxy("10.0.0.0/8"), audience="x-audience", user=None, tenant="x-tenant")
    client = serve({"/staff/*": ["staff", claims(read)], "*": [claims(read), both]})
    for path, headers, audience, why in (
        ("/staff/x", bearer(token(secret)), "staff", "route+jwt"),
        ("/staff/x", bearer(token(secret, role="customer")), "unknown", "conflict"),
        ("/staff/x", {}, "unknown", "no-token"),
        ("/", {**bearer(token(secret)), "x-audience": "staff"}, "staff", "jwt+proxy"),
        ("/", {**bearer(token(secret)), "x-audience": "customer"}, "unknown", "conflict"),
        (
            "/",
            {**bearer(token(secret, tenant="a")), "x-audience": "staff", "x-tenant": "b"},
            "unknown",
            "conflict",
        ),
    ):
        assert client.get(path, headers=headers).json()[0] == audience
        assert basis(recorder) == why


# --- how long, and what leaves --------------------------------------------------------------


def test_a_stream_keeps_its_request_open_to_the_last_byte(recorder: Recorder) -> None:
    """Also what the application does after the answer is part of it; then its span ends."""
    seen: list[tuple[str, str | None, int]] = []

    def note(when: str) -> None:
        found = current_request()
        seen.append((when, found.id if found else None, len(recorder.spans)))

    async def events() -> AsyncIterator[str]:
        for place in range(3):
            note(f"event {place}")
            yield f"data: {place}\n\n"

    async def stream(asked: Asked) -> StreamingResponse:
        note("start")
        after = BackgroundTask(note, "after")
        return StreamingResponse(events(), media_type="text/event-stream", background=after)

    app = Starlette(routes=[Route("/", stream)])
    app.add_middleware(ragtrace.AsgiMiddleware, routes={"/": "customer"})
    assert TestClient(app).get("/").text.count("data:") == 3
    assert len({id for _, id, _ in seen}) == 1 and seen[0][1] is not None
    assert [when for when, _, _ in seen] == ["start", "event 0", "event 1", "event 2", "after"]
    assert [ended for _, _, ended in seen] == [0] * 5
    assert len(recorder.spans) == 1
    assert current_request() is None


def test_requests_at_the_same_time_do_not_meet(recorder: Recorder) -> None:
    """Each has its own, on one thread."""
    found: dict[str, list[str]] = {"/a": [], "/b": []}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(3):
            request = current_request()
            assert request is not None
            found[scope["path"]].append(f"{request.audience}")
            await asyncio.sleep(0)

    middle = ragtrace.AsgiMiddleware(app, {"/a": "staff", "/b": "customer"})

    async def both() -> None:
        scopes = [{"type": "http", "path": path, "headers": []} for path in found]
        await asyncio.gather(*(middle(scope, None, None) for scope in scopes))

    asyncio.run(both())
    assert found == {"/a": ["staff"] * 3, "/b": ["customer"] * 3}


def test_a_websocket_is_one_request(recorder: Recorder) -> None:
    """From its handshake to its end."""

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        for _ in range(2):
            await socket.receive_text()
            found = current_request()
            await socket.send_text(f"{found.audience} {found.id}" if found else "")
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/talk", talk)])
    app.add_middleware(ragtrace.AsgiMiddleware, routes={"/talk": "customer"})
    with TestClient(app).websocket_connect("/talk") as socket:
        answers = set()
        for _ in range(2):
            socket.send_text("x")
            answers.add(socket.receive_text())
    (answer,) = answers
    assert answer.startswith("customer ")
    assert len(recorder.spans) == 1


def test_the_applications_errors_leave_as_they_came(serve: Serve) -> None:
    """And the request ends."""
    with pytest.raises(ZeroDivisionError, match="the application's own"):
        serve({"*": "customer"}).get("/fails")
    assert current_request() is None


def test_the_servers_start_is_no_request(recorder: Recorder) -> None:
    """Lifespan goes through as it is."""
    with TestClient(
        Starlette(middleware=[Middleware(ragtrace.AsgiMiddleware, routes={"*": "staff"})])
    ):
        pass
    assert recorder.spans == []


def test_what_a_caller_writes_into_baggage_changes_nothing(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An envelope that nobody of ours has sealed is no envelope; no other name is read."""
    key = tmp_path / "key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    monkeypatch.setenv("RAGTRACE_BAGGAGE_KEY_FILE", str(key))
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    from opentelemetry import context, propagate

    from ragtrace.capture import Propagator

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Propagator())

    async def inner(asked: Asked) -> JSONResponse:
        found = current_request()
        assert found is not None
        return JSONResponse([found.audience, found.carried is None])

    app = Starlette(routes=[Route("/", inner)])
    app.add_middleware(ragtrace.AsgiMiddleware, routes={"/": "customer"})

    async def traced(scope: Any, receive: Any, send: Any) -> None:
        """What OpenTelemetry's own instrumentation does around it."""
        carrier = {name.decode(): value.decode() for name, value in scope.get("headers", ())}
        token = context.attach(extract(carrier))
        try:
            await app(scope, receive, send)
        finally:
            context.detach(token)

    with recording(str(path), instrument=False):
        written = "ragtrace=AAAA,ragtrace.audience=staff,ragtrace.tenant=acme"
        got = TestClient(traced).get("/", headers={"baggage": written, "ragtrace-baggage": "AAAA"})
    assert got.json() == ["customer", True]


# --- with a framework behind it ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_stream_of_events_is_guarded_for_who_reads_it(kit: Kit, start: Start, kind: str) -> None:
    """The same chain, in a task or on a thread of the server's; a customer's is withheld."""
    fastapi = pytest.importorskip("fastapi")
    spans = start("context_only")
    app = fastapi.FastAPI()
    model = Scripted(script=[f"Well. {SECRET} Good day."])

    def prompt() -> Any:
        return [("system", joined(kit.retriever.invoke("fee"))), ("human", "And my fee?")]

    async def events() -> AsyncIterator[str]:
        async for chunk in model.astream(prompt()):
            yield str(chunk.content)

    def pieces() -> Iterator[str]:
        for chunk in model.stream(prompt()):
            yield str(chunk.content)

    @app.get("/{who}/ask")
    def ask() -> StreamingResponse:
        return StreamingResponse(events() if kind == "async" else pieces())

    app.add_middleware(ragtrace.AsgiMiddleware, routes={"/staff/*": "staff", "/c/*": "customer"})
    client = TestClient(app)
    assert SECRET in client.get("/staff/ask").text
    for path in ("/c/ask", "/other/ask"):
        text = client.get(path).text
        assert not leaks(text) and "[withheld]" in text and text.endswith("Good day.")
    turns = [span for span in spans.get_finished_spans() if span.name == "ragtrace.request"]
    assert [t.attributes["ragtrace.audience"] for t in turns] == ["staff", "customer", "unknown"]
    for step in (*of(spans, "chat"), *of(spans, "retrieval")):
        assert step.parent is not None
        assert step.parent.span_id in {turn.context.span_id for turn in turns}


# --- configuration --------------------------------------------------------------------------


def jwt_of(**said: Any) -> Any:
    given = {"issuer": ISSUER, "audience": SERVICE, "algorithms": ["RS256"], "key": "x"}
    return Jwt(**{**given, **said})


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ragtrace.AsgiMiddleware(None, {}), "routes: expected some"),
        (lambda: ragtrace.AsgiMiddleware(None, {"chat": "customer"}), "begins with /"),
        (lambda: ragtrace.AsgiMiddleware(None, {"/": []}), "/: expected the name"),
        (lambda: ragtrace.AsgiMiddleware(None, {"/": ["a", 1]}), "/: expected the name"),
        (lambda: Claims(None, audience="a"), "read: expected"),
        (lambda: Claims(dict, audience=""), "audience: expected"),
        (lambda: Proxy(), "at least one trusted peer"),
        (lambda: Proxy("10.0.0.1/8"), "expected addresses"),
        (lambda: Proxy("0.0.0.0/0"), "not every address"),
        (lambda: jwt_of(issuer=""), "issuer and audience"),
        (lambda: jwt_of(algorithms="RS256"), "expected a list"),
        (lambda: jwt_of(algorithms=[]), "expected a list"),
        (lambda: jwt_of(algorithms=["none"]), "expected some of"),
        (lambda: jwt_of(algorithms=["RS256", "HS256"]), "expected some of"),
        (lambda: jwt_of(jwks="https://x/keys"), "either key or jwks"),
        (lambda: jwt_of(key=None), "either key or jwks"),
        (lambda: jwt_of(key=None, jwks="http://bank.example/keys"), "https://"),
        (lambda: jwt_of(key=None, jwks="file:///etc/passwd"), "https://"),
        (lambda: jwt_of(algorithms=["HS256"], key="short"), "32 bytes"),
        (lambda: jwt_of(leeway=-1), "leeway"),
        (lambda: jwt_of(key="short"), "expected a key for RS256"),
        (lambda: jwt_of(key=None, jwks={"keys": []}), "expected a set of public keys"),
        (lambda: jwt_of(key=None, jwks={"a": 1}), "expected a set of public keys"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(make: Any, expected: str) -> None:
    """When the application starts, with what was expected and without any secret."""
    with pytest.raises(ConfigError, match=expected) as caught:
        make()
    assert "short" not in str(caught.value)

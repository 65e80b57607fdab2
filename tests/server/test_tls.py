"""What is promised of connections that are encrypted."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ragtrace.errors import ConfigError
from ragtrace.server import Client, Tls, client_context, serve, server_url
from ragtrace.server._tls import AUTHORITIES, OWN_CERT, OWN_KEY
from tests.engine import span
from tests.web import PROTOBUF, protobuf

TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Pair(NamedTuple):
    """A certificate and its key, as files and as they are."""

    cert: Path
    key: Path
    made: x509.Certificate
    secret: ec.EllipticCurvePrivateKey


def pair(directory: Path, name: str, by: Pair | None = None) -> Pair:
    """A certificate for 127.0.0.1 by ``by``, or an authority."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.made.subject if by is not None else subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, False)
        .add_extension(x509.BasicConstraints(by is None, None), True)
        .sign(by.secret if by is not None else secret, hashes.SHA256())
    )
    cert, key = directory / f"{name}.crt", directory / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Pair(cert, key, made, secret)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return pair(tmp_path_factory.mktemp("authority"), "authority")


@contextmanager
def serving(directory: Path, *options: str | Path) -> Iterator[dict[str, Any]]:
    """What ``ragtrace serve`` says once it is ready."""
    command = [sys.executable, "-m", "ragtrace", "serve", "--store", directory / "db", "--json"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0", *options], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def over_http(url: str, verify: ssl.SSLContext | bool) -> int:
    """The status of one export."""
    with httpx.Client(verify=verify, trust_env=False) as client:
        answer = client.post(f"{url}/v1/traces", content=protobuf(span(1)), headers=PROTOBUF)
    return answer.status_code


def over_grpc(url: str, credentials: grpc.ChannelCredentials) -> grpc.StatusCode:
    """The status of one export."""
    with grpc.secure_channel(url.removeprefix("https://"), credentials) as channel:
        try:
            channel.unary_unary(TRACES)(protobuf(span(1)), timeout=10)
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_both_ways_are_encrypted(tmp_path: Path, authority: Pair) -> None:
    """Who trusts the authority is served; plain HTTP, and an older TLS, are not."""
    own = pair(tmp_path, "server", authority)
    trusting = ssl.create_default_context(cafile=str(authority.cert))
    old = ssl.create_default_context(cafile=str(authority.cert))
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    with serving(tmp_path, "--tls-cert", own.cert, "--tls-key", own.key) as said:
        assert said["url"].startswith("https://")
        assert over_http(said["url"], trusting) == 200
        known = grpc.ssl_channel_credentials(authority.cert.read_bytes())
        assert over_grpc(said["grpc"], known) is grpc.StatusCode.OK
        assert over_grpc(said["grpc"], grpc.ssl_channel_credentials()) is not grpc.StatusCode.OK
        for verify in (old, ssl.create_default_context()):
            with pytest.raises(httpx.TransportError):
                over_http(said["url"], verify)
        with pytest.raises(httpx.TransportError):
            over_http(said["url"].replace("https", "http"), False)


def test_only_certified_clients_are_let_in(tmp_path: Path, authority: Pair) -> None:
    """A client with a certificate of the authority may send; without one, or of another, not."""
    own, client = pair(tmp_path, "server", authority), pair(tmp_path, "client", authority)
    stranger = pair(tmp_path, "stranger", pair(tmp_path, "others"))
    options = ("--tls-cert", own.cert, "--tls-key", own.key, "--tls-client-ca", authority.cert)
    with serving(tmp_path, *options) as said:
        for shown, let_in in ((client, True), (stranger, False), (None, False)):
            context = ssl.create_default_context(cafile=str(authority.cert))
            chain = ()
            if shown is not None:
                context.load_cert_chain(shown.cert, shown.key)
                chain = (shown.key.read_bytes(), shown.cert.read_bytes())
            credentials = grpc.ssl_channel_credentials(authority.cert.read_bytes(), *chain)
            code = over_grpc(said["grpc"], credentials)
            assert (code is grpc.StatusCode.OK) is let_in
            if let_in:
                assert over_http(said["url"], context) == 200
            else:
                with pytest.raises(httpx.TransportError):
                    over_http(said["url"], context)


@pytest.mark.parametrize(
    ("cert", "key", "client_ca", "reason"),
    [
        ("server.crt", "nowhere.key", None, "nowhere.key: No such file"),
        ("server.crt", "others.key", None, "expected a certificate and its key"),
        ("server.crt", "server.crt", None, "expected a certificate and its key"),
        ("server.crt", "server.key", "server.key", "expected certificates in PEM"),
    ],
)
def test_files_that_are_of_no_use_are_refused(
    tmp_path: Path, authority: Pair, cert: str, key: str, client_ca: str | None, reason: str
) -> None:
    """Before anything listens, with the file and what was expected."""
    pair(tmp_path, "server", authority), pair(tmp_path, "others")
    ca = tmp_path / client_ca if client_ca is not None else None
    with pytest.raises(ConfigError, match=reason):
        Tls(tmp_path / cert, tmp_path / key, ca)


def test_a_command_trusts_and_shows_what_exporters_do(
    tmp_path: Path, authority: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private authority, and a certificate of its own, by the variables of the protocol."""
    own, client = pair(tmp_path, "server", authority), pair(tmp_path, "client", authority)
    options = ("--tls-cert", own.cert, "--tls-key", own.key, "--tls-client-ca", authority.cert)
    given = {
        AUTHORITIES: str(authority.cert),
        OWN_CERT: str(client.cert),
        OWN_KEY: str(client.key),
    }
    for name in given:
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path, *options) as said:
        assert server_url(str(tmp_path / "db")) is None
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        assert server_url(str(tmp_path / "db")) == said["url"]
        with Client(said["url"]) as asking:
            assert asking.stats().spans == 0


@pytest.mark.parametrize("name", [AUTHORITIES, OWN_CERT])
def test_a_certificate_that_is_none_is_named(tmp_path: Path, name: str) -> None:
    """By the variable that says it; the file's content is not repeated."""
    (tmp_path / "junk").write_text("secret words")
    for file in ("junk", "missing"):
        with pytest.raises(ConfigError, match=name) as refused:
            client_context({name: str(tmp_path / file)})
        assert "secret" not in str(refused.value)


def test_behind_a_proxy_a_server_asks_its_senders_who_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody could send at all, which is said before anything is made."""
    monkeypatch.delenv("RAGTRACE_ACCESS", raising=False)
    with pytest.raises(ConfigError, match="RAGTRACE_ACCESS"):
        serve(str(tmp_path / "db"), port=0, behind_proxy=True)
    assert not (tmp_path / "db").exists()


def test_whom_anybody_could_send_to_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond this machine, with neither tokens nor certificates, it is refused; nothing is made."""
    monkeypatch.delenv("RAGTRACE_ACCESS", raising=False)
    monkeypatch.setattr("ragtrace.server._serve._listen", lambda *_: Elsewhere())
    with pytest.raises(ConfigError, match="RAGTRACE_ACCESS"):
        serve(str(tmp_path / "db"), "192.0.2.7")
    assert not (tmp_path / "db").exists()


class Elsewhere:
    """A socket that another machine can reach; a test must not open a real one."""

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.7", 4318

    def close(self) -> None:
        """Nothing."""

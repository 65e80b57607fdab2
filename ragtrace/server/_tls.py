"""Tls: the server's certificate, and whose certificates it asks of its clients."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ragtrace.errors import ConfigError

if TYPE_CHECKING:
    import grpc

__all__ = ["Tls", "client_context"]

AUTHORITIES: Final = "OTEL_EXPORTER_OTLP_CERTIFICATE"
OWN_CERT: Final = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
OWN_KEY: Final = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
"""Where exporters find what to trust and what to show, and so do the commands."""


@dataclass(frozen=True, slots=True)
class Tls:
    """What TLS needs, as files in PEM; version 1.2 or later is spoken.

    Attributes:
        cert: The server's certificate, and those between it and its authority.
        key: Its private key, without a password.
        client_ca: Authorities; where there are any, a client without a certificate of theirs is
            not let in at all, and one that has it may send.

    Raises:
        ConfigError: A file cannot be read, or is not what it should be.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        self.context()

    def context(self) -> ssl.SSLContext:
        """What HTTP listens with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _read(self.cert)
        _read(self.key)
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (ssl.SSLError, ValueError):
            raise ConfigError(
                f"{self.cert}, {self.key}: expected a certificate and its key in PEM, no password"
            ) from None
        if self.client_ca is not None:
            _read(self.client_ca)
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError:
                raise ConfigError(f"{self.client_ca}: expected certificates in PEM") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC listens with."""
        import grpc

        return grpc.ssl_server_credentials(
            [(_read(self.key), _read(self.cert))],
            root_certificates=_read(self.client_ca) if self.client_ca is not None else None,
            require_client_auth=self.client_ca is not None,
        )


def client_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """What a command connects with: the authorities of ``certifi`` and those that it is told of.

    Raises:
        ConfigError: A file that the environment names is not what it should be.
    """
    import httpx

    context = httpx.create_ssl_context(trust_env=False)
    authorities, cert, key = (environ.get(name) for name in (AUTHORITIES, OWN_CERT, OWN_KEY))
    try:
        if authorities:
            context.load_verify_locations(authorities)
    except (OSError, ValueError):  # of which ssl's own error is one
        raise ConfigError(f"{AUTHORITIES}: expected a file of certificates in PEM") from None
    try:
        if cert:
            context.load_cert_chain(cert, key or None, password=_no_password)
    except (OSError, ValueError):
        raise ConfigError(
            f"{OWN_CERT}, {OWN_KEY}: expected a certificate and its key in PEM, no password"
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("a password is asked for")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None

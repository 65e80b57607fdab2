"""OTLP in, over HTTP and gRPC; answers out, over HTTP."""

from ragtrace.server._adopt import Adopter
from ragtrace.server._adopt_stored import adopt_stored
from ragtrace.server._app import create_app
from ragtrace.server._auth import Auth
from ragtrace.server._client import Client, open_reader, server_url
from ragtrace.server._limits import Limits
from ragtrace.server._serve import NOTE, PORT, serve
from ragtrace.server._settle import settle
from ragtrace.server._tls import Tls, client_context
from ragtrace.server._vault_desk import VaultDesk, open_vault

__all__ = [
    "NOTE",
    "PORT",
    "Adopter",
    "Auth",
    "Client",
    "Limits",
    "Tls",
    "VaultDesk",
    "adopt_stored",
    "client_context",
    "create_app",
    "open_reader",
    "open_vault",
    "serve",
    "server_url",
    "settle",
]

"""Starts Phoenix on loopback; run by the Python that has it.

``PHOENIX_HOST`` is for its web server alone: its gRPC server would listen on every address of
the machine.
"""

from __future__ import annotations

import runpy
import sys
from typing import Any

import grpc.aio

EVERYWHERE = "[::]:"


def on_loopback(server: Any) -> Any:
    """The server, which listens on loopback where it is told to listen everywhere."""
    listen = server.add_insecure_port
    server.add_insecure_port = lambda address: listen(address.replace(EVERYWHERE, "127.0.0.1:"))
    return server


if __name__ == "__main__":
    made = grpc.aio.server
    grpc.aio.server = lambda *args, **options: on_loopback(made(*args, **options))
    sys.argv = ["phoenix", "serve"]
    runpy.run_module("phoenix.server.main", run_name="__main__")

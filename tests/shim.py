"""A ClickHouse server's HTTP interface, as much as its client needs, over the embedded engine.

It proves our side of the conversation (addresses, parameters, inserts, errors); it says
nothing of a real server's users, replication or networks.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import lz4.frame  # type: ignore[import-untyped]  # it ships no types
from clickhouse_connect.driver._backend.chdb_backend import _open_handle
from clickhouse_connect.driver._chdbclient import build_connection_string

from ragtrace.store._engine import CONFIG
from tests.engine import engine_directory

UNPACK = {"lz4": lz4.frame.decompress}
MOST_OF_FIELD = 131_072
"""Bytes of one field that a server takes as it comes (``http_max_field_value_size``)."""


class _Handler(BaseHTTPRequestHandler):
    engine: Any
    turn: threading.Lock
    readers: Any

    def do_POST(self) -> None:
        """Run one query; the data of an insert follow it in the body."""
        asked = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        query = {name: values[-1] for name, values in asked.items()}
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("transfer-encoding") == "chunked":
            body = b"".join(self._chunks())
        body = UNPACK.get(self.headers.get("content-encoding", ""), bytes)(body)
        if self.headers.get_content_type() == "multipart/form-data":
            fields = _fields(self.headers, body)  # the client does so where an address gets long
            body = fields.pop("query", body.decode("latin-1")).encode()
            query |= fields
        if any(len(text.encode()) > MOST_OF_FIELD for text in query.values()):
            self._answer(400, b"HTML Form Exception: Field value too long", {})
            return
        parameters = {name[6:]: text for name, text in query.items() if name.startswith("param_")}
        handle = self.readers if query.get("readonly") == "1" else self.engine
        try:
            with self.turn:
                if "database" in query:
                    handle.query(f"USE {query['database']}")
                answer = self._run(handle, body, parameters)
        except Exception as error:
            text = str(error)
            code = re.search(r"Code: (\d+)", text)
            number = code[1] if code else "1"
            self._answer(500, text.encode(), {"X-ClickHouse-Exception-Code": number})
        else:
            self._answer(200, answer, {})

    do_GET = do_POST

    @staticmethod
    def _run(handle: Any, body: bytes, parameters: dict[str, str]) -> bytes:
        head, inserting, data = body.partition(b" FORMAT Native\n")
        if not (inserting and head.startswith(b"INSERT")):
            return bytes(handle.query(body.decode(), "TabSeparated", params=parameters).bytes())
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            handle.query(f"{head.decode()} FROM INFILE '{file.name}' FORMAT Native")
        return b""

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


def _fields(headers: Message, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    parts: Any = BytesParser().parsebytes(head + body).get_payload()
    named = ((p.get_param("name", header="content-disposition"), p) for p in parts)
    return {str(name): part.get_payload(decode=True).decode() for name, part in named}


@contextmanager
def clickhouse_server() -> Iterator[str]:
    """The address of such a server, without a database: ``clickhouse://user:pw@host:port``."""
    options = {"config-file": str(CONFIG)}
    address = build_connection_string(str(engine_directory()), options)
    handles = [_open_handle(address).conn for _ in range(2)]
    handles[1].query("SET max_execution_time = 60")
    handles[1].query("SET readonly = 1")
    state = {"engine": handles[0], "readers": handles[1], "turn": threading.Lock()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), state))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"clickhouse://user:secret@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for handle in handles:
            handle.close()

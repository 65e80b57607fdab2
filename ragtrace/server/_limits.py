"""Limits: how much a client may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what arrives; each has a reason to be where it is.

    Attributes:
        body_bytes: A request body as sent. Exporters send about 512 spans at once, some
            1 MiB; the Collector's own default is 20 MiB.
        inflated_bytes: The same decompressed: text compresses 4 to 1 at most times.
        held_bytes: All bodies being read, decoded or written; as objects they take about
            five times that, which 1 GiB of memory must hold.
        group_spans: Where a group commit stops gathering; the engine is near its best rate.
        group_seconds: How long it gathers: less than one insert takes, so nobody waits long.
        decode_seconds: How long it waits besides for what is being decoded, some 500 spans in
            each 25 ms: about as long as the insert itself takes.
        read_seconds: How long a body may take to arrive, so that slow senders, who hold what
            they have sent, do not keep others out.
        retry_after_seconds: What a client that was turned away is told.
    """

    body_bytes: int = 16 * MIB
    inflated_bytes: int = 64 * MIB
    held_bytes: int = 192 * MIB
    group_spans: int = 5_000
    group_seconds: float = 0.01
    decode_seconds: float = 0.25
    read_seconds: float = 30.0
    retry_after_seconds: int = 2

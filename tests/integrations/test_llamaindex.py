"""LlamaIndex holds what every integration holds."""

from __future__ import annotations

from ragtrace.testing.conformance import Conformance
from tests.integrations.llamaindex.adapter import LLAMAINDEX


class TestLlamaIndex(Conformance):
    adapter = LLAMAINDEX

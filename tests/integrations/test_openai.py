"""The SDK holds what every integration holds that asks models."""

from __future__ import annotations

from openai._base_client import AsyncAPIClient, SyncAPIClient

from ragtrace.testing.conformance import Adapter, Claim, Conformance
from ragtrace_openai import OpenAIInstrumentor
from tests.integrations.paths_of_openai import PATHS, Sdk

OPENAI = Adapter(
    OpenAIInstrumentor,
    Sdk,
    PATHS,
    hooked=[
        (owner, name)
        for owner in (SyncAPIClient, AsyncAPIClient)
        for name in ("request", "_process_response")
    ],
    claims=frozenset({Claim.PROMPTS, Claim.STREAMS}),
)


class TestOpenAI(Conformance):
    adapter = OPENAI

"""Bundles of evidence, asked for over HTTP: each is what its caller may see."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from ragtrace.forensics import EvidenceAsked, PolicyText, Tlp, export_evidence
from ragtrace.server._auth import Auth
from ragtrace.server._body import asked_in_body
from ragtrace.server._problems import documented
from ragtrace.server._view import View
from ragtrace.store import Chain, Store

__all__ = ["bundler"]

MOST_AT_ONCE: Final = 1_000
"""Traces of a bundle that is made for somebody else: it is made in memory, 50 KB for each with one
prompt and eight passages, and a server has other things to do."""
POLICY_CHARACTERS: Final = 1 << 20
"""Of a policy file: the largest seen has a fiftieth of it."""
BODY_BYTES: Final = 4 << 20
"""Of a question: a thousand ids and such a policy, in whatever escapes."""
LEVELS: Final = 100
NAME: Final = 200

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AskedPolicy(BaseModel):
    """A policy file, as it is put into a bundle; it is not read here."""

    model_config = ConfigDict(extra="forbid")

    digest: Digest
    files: list[Digest] = Field(min_length=1, max_length=100)
    text: str = Field(max_length=POLICY_CHARACTERS)


class AskedEvidence(BaseModel):
    """What a bundle is to hold."""

    model_config = ConfigDict(extra="forbid")

    traces: list[Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = Field(
        min_length=1, json_schema_extra={"maxItems": MOST_AT_ONCE}
    )
    clearance: str = Field("", max_length=NAME)
    levels: list[Annotated[str, Field(max_length=NAME)]] = Field([], max_length=LEVELS)
    tlp: Tlp = "amber"
    why: str = Field("", max_length=NAME)
    policy: AskedPolicy | None = None

    def asked(self) -> EvidenceAsked:
        """The same for who makes it."""
        said = self.policy
        policy = PolicyText(said.digest, tuple(said.files), said.text) if said else None
        return EvidenceAsked(
            traces=tuple(self.traces),
            clearance=self.clearance,
            levels=tuple(self.levels),
            tlp=self.tlp,
            why=self.why,
            policy=policy,
        )


async def _asked(request: Request, _: View) -> AskedEvidence:
    """What is asked by who may read; the body is read after that is known.

    Raises:
        HTTPException: As ``asked_in_body``; or it is asked for too many traces.
    """
    asked = await asked_in_body(request, AskedEvidence, BODY_BYTES)
    if len(asked.traces) > MOST_AT_ONCE:
        raise HTTPException(
            400,
            f"traces: expected at most {MOST_AT_ONCE:,}: ask for several bundles, "
            "or run ragtrace evidence export where the store is",
        )
    return asked


_SCHEMA: Final = AskedEvidence.model_json_schema(ref_template="#/components/schemas/{model}")
_DEFINED: Final[dict[str, Any]] = _SCHEMA.pop("$defs", {})
_SCHEMA["properties"]["policy"] = {"anyOf": [_DEFINED["AskedPolicy"], {"type": "null"}]}
_DOCUMENT: Final = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}},
    "responses": {
        "200": {
            "description": "The bundle.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
}

bundler: Final = APIRouter(prefix="/v1", responses=documented(400, 401, 403, 404, 503))


@bundler.post("/evidence", openapi_extra=_DOCUMENT, response_class=Response)
def evidence(asked: Annotated[AskedEvidence, Depends(_asked)], request: Request) -> Response:
    """Traces as one signed bundle, with texts up to the levels asked for and the caller's own."""
    chain: Chain | None = request.app.state.chain
    if chain is None:
        raise HTTPException(400, "this server has no key to sign with: RAGTRACE_SEAL_KEY_FILE")
    store: Store = request.app.state.store
    auth: Auth = request.app.state.auth
    bundle = export_evidence(
        store, asked.asked(), chain.key, access=auth.access(request), chain=chain
    )
    headers = {
        "cache-control": "no-store",
        "content-disposition": 'attachment; filename="evidence.zip"',
        "x-content-type-options": "nosniff",
    }
    return Response(bundle, media_type="application/zip", headers=headers)

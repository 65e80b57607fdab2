"""Standards: the same decisions as W3C PROV, OCSF findings and a flow map."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = ["findings", "flow_map", "prov"]

OCSF: Final = "1.8.0"
CLASS: Final = 2006
"""Data Security Finding."""
_DISPOSITIONS: Final = {
    "block": (2, "Blocked"),
    "drop": (6, "Dropped"),
    "redact": (11, "Corrected"),
    "context_only": (15, "Detected"),
}
_LOGGED: Final = (17, "Logged")
"""Of a decision in shadow, which nothing was done about."""
_SEVERITY: Final = {"block": 4, "drop": 3, "redact": 3, "context_only": 2}
"""4 High, 3 Medium, 2 Low."""

Body = Mapping[str, Any]
Flows = Sequence[Mapping[str, Any]]


def findings(decided: Iterable[tuple[Body, Flows]]) -> list[dict[str, Any]]:
    """Every decision but ``allow`` as an OCSF Data Security Finding (class 2006), without text."""
    return [_finding(body, flows) for body, flows in decided if body["action"] in _DISPOSITIONS]


def _finding(body: Body, flows: Flows) -> dict[str, Any]:
    shadow = body["mode"] == "shadow"
    number, name = _LOGGED if shadow else _DISPOSITIONS[body["action"]]
    denied = body["action"] != "context_only" and not shadow
    said = [json.loads(flow["line"]) for flow in flows]
    return {
        "class_uid": CLASS,
        "class_name": "Data Security Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": CLASS * 100 + 1,
        "time": int(body["time"]) // 1_000_000,
        "severity_id": 1 if shadow else _SEVERITY[body["action"]],
        "status_id": 1,
        "action_id": 2 if denied else 1,
        "disposition_id": number,
        "disposition": name,
        "metadata": {
            "version": OCSF,
            "uid": f"{body['trace']}:{body['span']}",
            "product": {"name": "ragtrace", "vendor_name": "ragtrace"},
        },
        "finding_info": {
            "uid": f"{body['trace']}:{body['span']}",
            "title": f"{body['action']} by {body['rule']} for {body['audience']}",
            "analytic": {"type_id": 1, "name": body["rule"], "uid": body["policy"]},
        },
        "actor": {"user": {"uid": body["user"]}, "session": {"uid": body["session"]}},
        "resources": [
            {"type": "document", "name": flow["document"], "labels": [flow["level"]]}
            for flow in said
            if flow["action"] != "allow"
        ],
        "database": {"type_id": 7, "type": "Vector"},
    }


def flow_map(decided: Iterable[tuple[Body, Flows]]) -> list[dict[str, Any]]:
    """Which source reached which audience at which level, what was decided, and how often."""
    counted: Counter[tuple[str, ...]] = Counter()
    for body, flows in decided:
        for flow in flows:
            said = json.loads(flow["line"])
            edge = (said["source"], said["level"], body["audience"], body["stage"])
            counted[*edge, said["action"], said["mode"]] += 1
    names = ("source", "level", "audience", "stage", "action", "mode")
    return [
        {**dict(zip(names, edge, strict=True)), "flows": number}
        for edge, number in sorted(counted.items())
    ]


def prov(decided: Iterable[tuple[Body, Flows]]) -> dict[str, Any]:
    """The same as W3C PROV-JSON: which passages a call used, and what its answer is derived from.

    An answer is derived from what was in its prompt; ``ragtrace:verdict`` says how surely.
    """
    tree: dict[str, dict[str, Any]] = {
        name: {}
        for name in (
            *("entity", "activity", "agent", "used", "wasGeneratedBy"),
            *("wasDerivedFrom", "wasAssociatedWith", "specializationOf"),
        )
    }
    for body, flows in decided:
        _call(tree, body, flows)
    prefix = {"ragtrace": "urn:ragtrace:", "text": "urn:ragtrace:text:", "doc": "urn:ragtrace:doc:"}
    return {"prefix": prefix, **tree}


def _call(tree: dict[str, dict[str, Any]], body: Body, flows: Flows) -> None:
    call, answer = f"ragtrace:{body['trace']}/{body['span']}", body["completion"]
    tree["activity"][call] = {
        "prov:type": f"ragtrace:{body['stage']}",
        "ragtrace:time": body["time"],
        "ragtrace:decision": body["action"],
        "ragtrace:rule": body["rule"],
    }
    service = f"ragtrace:service/{body['service']}"
    tree["agent"][service] = {"prov:type": "prov:SoftwareAgent"}
    tree["wasAssociatedWith"][f"_:{call}"] = {"prov:activity": call, "prov:agent": service}
    if answer:
        tree["entity"][f"text:{answer}"] = {"prov:type": "ragtrace:completion"}
        made = {"prov:entity": f"text:{answer}", "prov:activity": call}
        tree["wasGeneratedBy"][f"_:{call}"] = made
    for flow in flows:
        said, text = json.loads(flow["line"]), f"text:{flow['text']}"
        document = f"doc:{said['document']}"
        tree["entity"].setdefault(text, {"ragtrace:level": said["level"]})
        tree["entity"].setdefault(document, {"ragtrace:source": said["source"]})
        edge = f"_:{call}/{said['ordinal']}"
        tree["specializationOf"][f"{edge}/of"] = {
            "prov:specificEntity": text,
            "prov:generalEntity": document,
        }
        tree["used"][edge] = {"prov:activity": call, "prov:entity": text}
        if answer and body["stage"] == "prompt" and said["verdict"] not in ("", "none"):
            tree["wasDerivedFrom"][edge] = {
                "prov:generatedEntity": f"text:{answer}",
                "prov:usedEntity": text,
                "prov:activity": call,
                "ragtrace:verdict": said["verdict"],
            }

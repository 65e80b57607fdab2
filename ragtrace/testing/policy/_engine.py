"""Engine: one way to apply the rules of a policy, as its authors would use it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final, NamedTuple

from ragtrace.model import Audience, Chunk
from ragtrace.policy import Policy, Rule, judge
from ragtrace.policy._rule import spoken_of_as

__all__ = ["ENGINES", "OURS", "Engine", "Judge", "missing_engines"]

Judge = Callable[[Sequence[Chunk], Audience], list[str]]
"""Gives for each chunk the id of the rule that decides, or of what decides where none does."""

OURS: Final = "ragtrace"


class Engine(NamedTuple):
    """An engine, and how to prepare it for a policy.

    Attributes:
        needs: The package it comes from, as pip names it; empty where it is ours.
        module: What that package is imported as.
        slow: How many times fewer repetitions it gets, so that the bench ends.
    """

    name: str
    prepare: Callable[[Policy], Judge]
    needs: str = ""
    module: str = ""
    slow: int = 1

    @property
    def installed(self) -> bool:
        """Whether it can be prepared."""
        return not self.module or find_spec(self.module) is not None


def missing_engines() -> list[str]:
    """Packages of engines that are not installed."""
    return [engine.needs for engine in ENGINES if not engine.installed]


def _ragtrace(policy: Policy) -> Judge:
    return lambda chunks, audience: [
        judge(policy, chunk, chunk.label, audience).rule for chunk in chunks
    ]


def _cedarpy(policy: Policy) -> Judge:
    """One batch, handles prepared. Cedar has no order: of all that permit, the first is taken.

    What is asked about stands in the context: entities would have to be parsed for every batch.
    """
    import cedarpy

    rules = cedarpy.PolicySet.from_str("\n".join(map(_as_cedar, policy.rules)))
    entities = cedarpy.Entities.from_json_str("[]")

    def judged(chunks: Sequence[Chunk], audience: Audience) -> list[str]:
        name = spoken_of_as(audience)
        requests = [
            {
                "principal": {"type": "Audience", "id": name},
                "action": {"type": "Action", "id": "use"},
                "resource": {"type": "Chunk", "id": chunk.document.id},
                "context": {
                    "level": chunk.label.level,
                    "source": chunk.source.id,
                    "document": chunk.document.id,
                },
            }
            for chunk in chunks
        ]
        answers = cedarpy.is_authorized_batch(requests, rules, entities)
        return [
            # Policies are numbered in order, as policy0, policy1 and so on.
            policy.rules[min(int(reason[6:]) for reason in answer.diagnostics.reasons)].id
            if answer.allowed
            else _by_lattice(policy, chunk, audience)
            for chunk, answer in zip(chunks, answers, strict=True)
        ]

    return judged


def _as_cedar(rule: Rule) -> str:
    who = "".join(f' == Audience::"{name}"' for name in rule.audiences)
    asks = [f'context.level == "{level}"' for level in rule.levels]
    asks += [
        f'context.{name} like "{glob}"'
        for name, glob in (("source", rule.source), ("document", rule.document))
        if glob is not None
    ]
    when = f" when {{ {' && '.join(asks)} }}" if asks else ""
    return f"permit(principal{who}, action, resource){when};"


_CASBIN: Final = """
[request_definition]
r = level, audience, source, document

[policy_definition]
p = id, level, audience, source, document

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = (p.level == "*" || r.level == p.level) && (p.audience == "*" || r.audience == p.audience) \
&& keyMatch(r.source, p.source) && keyMatch(r.document, p.document)
"""


def _casbin(policy: Policy) -> Judge:
    """One call for each chunk: the batch form does not say which rule it was."""
    import casbin

    model = casbin.Model()
    model.load_model_from_text(_CASBIN)
    enforcer = casbin.Enforcer(model)
    for rule in policy.rules:
        enforcer.add_policy(
            rule.id,
            next(iter(rule.levels), "*"),
            next(iter(rule.audiences), "*"),
            rule.source or "*",
            rule.document or "*",
        )

    def judged(chunks: Sequence[Chunk], audience: Audience) -> list[str]:
        name, found = spoken_of_as(audience), []
        for chunk in chunks:
            asked = chunk.label.level, name, chunk.source.id, chunk.document.id
            fits, rule = enforcer.enforce_ex(*asked)
            found.append(rule[0] if fits else _by_lattice(policy, chunk, audience))
        return found

    return judged


def _celpy(policy: Policy) -> Judge:
    """A program for each rule, translated to Python, in order until one holds."""
    import celpy
    from celpy.celparser import CELParser
    from celpy.celtypes import StringType

    # The library has one parser in a process, made for the kind of program that came first, and
    # raises the limit of calls inside each other for good.
    kept, CELParser.CEL_PARSER = CELParser.CEL_PARSER, None
    limit = sys.getrecursionlimit()
    try:
        environment = celpy.Environment(runner_class=celpy.CompiledRunner)
        programs = [
            (rule.id, environment.program(environment.compile(_as_cel(rule))))
            for rule in policy.rules
        ]
    finally:
        CELParser.CEL_PARSER = kept
        sys.setrecursionlimit(limit)

    def judged(chunks: Sequence[Chunk], audience: Audience) -> list[str]:
        name, found = StringType(spoken_of_as(audience)), []
        for chunk in chunks:
            asked = {
                "level": StringType(chunk.label.level),
                "audience": name,
                "source": StringType(chunk.source.id),
                "document": StringType(chunk.document.id),
            }
            fitting = (rule for rule, program in programs if program.evaluate(asked))
            found.append(next(fitting, None) or _by_lattice(policy, chunk, audience))
        return found

    return judged


def _as_cel(rule: Rule) -> str:
    asks = [f'level == "{level}"' for level in rule.levels]
    asks += [f'audience == "{name}"' for name in rule.audiences]
    asks += [
        f'{name}.startsWith("{glob.removesuffix("*")}")'
        for name, glob in (("source", rule.source), ("document", rule.document))
        if glob is not None
    ]
    return " && ".join(asks) or "true"


def _by_lattice(policy: Policy, chunk: Chunk, audience: Audience) -> str:
    """What decides where no rule does: the same code for every engine but ours."""
    return "clearance" if policy.lattice.permits(audience, chunk.label) else "otherwise"


ENGINES: Final = (
    Engine(OURS, _ragtrace),
    Engine("cedarpy", _cedarpy, "cedarpy", "cedarpy", slow=4),
    Engine("casbin", _casbin, "casbin", "casbin", slow=10),
    Engine("cel-python", _celpy, "cel-python", "celpy", slow=40),
)
"""What the rules are applied by, ours first."""

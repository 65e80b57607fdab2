"""The score of a policy that was not in force: the flows it touches, by ragtrace and in truth."""

from collections import Counter
from collections.abc import Collection

from score import Score
from truth import Truth

from ragtrace.forensics import SETTLED, Candidate, what_if
from ragtrace.policy import policy_as_sql
from ragtrace.store import FlowFilter, Seen

# More flows than there are: every one is asked for.
ALL = 100_000_000
COMPLETION = "completion"

Touched = Counter[tuple[str, str, str]]


def score_whatif(reader: Seen, policy: str, truth: Truth, inside: Collection[str]) -> Score:
    """Return how well the flows are told that a rule about one shelf touches.

    Args:
        reader: Of the whole store.
        policy: The file with the rule: what is on the shelf is blocked for customers.
        truth: What happened.
        inside: Ids of the articles on that shelf.
    """
    candidate = Candidate.read(policy)
    found, true = _found(reader, candidate), _true(truth, set(inside))
    told = what_if(reader, candidate).as_json()
    score = Score((found & true).total(), (true - found).total(), (found - true).total())
    score.exact = int(found == true)
    if found != true:
        score.differing += sorted({what for _, _, what in (found - true) + (true - found)})
    if told["newly_blocked"] != found.total() or told["differences"]:
        score.differing.append("the totals of whatif")
    return score


def _found(reader: Seen, candidate: Candidate) -> Touched:
    """The flows that would be blocked, each by where it was and what it was of."""
    sql = policy_as_sql(candidate.policy, candidate.name)
    judged = reader.judged_sample(sql, SETTLED, FlowFilter(), limit=ALL, every=1, seed=0)
    blocked = {
        (one.trace_id, one.span_id, one.ordinal) for one in judged if one.decision[0] == "block"
    }
    return Counter(
        (one.stage, one.prompt_digest, one.digest if one.source == COMPLETION else one.document)
        for one in reader.flows(FlowFilter(), ALL)
        if (one.trace_id, one.span_id, one.ordinal) in blocked
    )


def _true(truth: Truth, inside: set[str]) -> Touched:
    touched: Touched = Counter()
    for search in truth.searches:
        if search.audience == "customer":
            touched.update(
                ("retrieval", "", name)
                for name in search.documents
                if name in inside or truth.filed.get(name, frozenset()) & inside
            )
    filed = {digest: name for name, digest in truth.digests.items()}
    for call in truth.calls:
        if call.audience == "customer":
            touched.update(("prompt", call.prompt, name) for name in call.holds & inside)
            touched.update(
                ("prompt", call.prompt, filed.get(digest, digest))
                for digest, shown in call.made
                if shown & inside
            )
    return touched

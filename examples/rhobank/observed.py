"""What ragtrace says happened: one turn of the assistant, read from its spans alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ground_truth import RUN, symbols
from knowledge import Article
from opentelemetry.sdk.trace import ReadableSpan

STAGE = "ragtrace.stage"
FLOWS = "ragtrace.flows"
ACTION = "ragtrace.decision.action"
WITHHELD = "ragtrace.completion.withheld"

# A flow with another action did not get through: its text was taken out, or nothing was sent.
PASSED = ("allow", "context_only")

Flow = dict[str, Any]


class Observed:
    """The spans of one turn.

    Args:
        spans: All spans that ended during the turn.
        articles: The knowledge base by id, to count symbols: spans hold places and no text.
    """

    def __init__(self, spans: Sequence[ReadableSpan], articles: Mapping[str, Article]) -> None:
        self._articles = articles
        self._retrievals = [span for span in spans if _attribute(span, STAGE) == "retrieval"]
        self._calls = [span for span in spans if _attribute(span, STAGE) == "prompt"]

    @property
    def retrieved(self) -> set[str]:
        """Ids of the articles (set of str) that the store found, whatever became of them."""
        return {flow["document"] for span in self._retrievals for flow in _flows(span)}

    @property
    def in_prompt(self) -> set[str]:
        """Ids of the retrieved articles (set of str) that stand whole in what the model was shown.

        Of an article with a staff-only part, the rest is enough.
        """
        return {flow["document"] for flow in self._sent() if self._is_whole(flow)} & self.retrieved

    @property
    def reached(self) -> bool:
        """Whether staff-only text is in what the model was shown."""
        flows = self._sent()
        others = {flow["digest"] for flow in flows if flow["level"] != "staff_only"}
        return any(self._is_secret(flow) for flow in flows if not others & _sharing(flow))

    @property
    def withheld(self) -> int:
        """How many passages were kept out of the answer."""
        return sum(int(_attribute(span, WITHHELD) or 0) for span in self._calls)

    def _sent(self) -> list[Flow]:
        """Return the flows of articles into prompts that were sent."""
        sent = [span for span in self._calls if _attribute(span, ACTION) != "block"]
        flows = [flow for span in sent for flow in _flows(span)]
        return [flow for flow in flows if flow["document"] in self._articles]

    def _is_whole(self, flow: Flow) -> bool:
        article = self._articles[flow["document"]]
        rest = _blank(article.text, [(start, end) for _, _, _, start, end in flow["spans"]])
        if not article.unrestricted():
            return flow["action"] in PASSED and not symbols(rest)
        # What may be read by anybody is never taken out; the other part need not be there.
        return not symbols(_blank(rest, article.ranges))

    def _is_secret(self, flow: Flow) -> bool:
        """Return whether staff-only text passed that is not there on another's account."""
        if flow["action"] not in PASSED or flow["level"] != "staff_only":
            return False
        text = self._articles[flow["document"]].text
        runs = (text[start:end] for _, _, _, start, end in flow["spans"])
        return flow["verdict"] != "explained" and any(len(symbols(run)) >= RUN for run in runs)


def _sharing(flow: Flow) -> set[str]:
    """Return the digests of chunks that have the same text, where it cannot be told whose it is."""
    return set(flow.get("group", ())) if flow["verdict"] == "ambiguous" else set()


def _blank(text: str, ranges: Iterable[tuple[int, int]]) -> str:
    """Return `text` with spaces in `ranges`."""
    for start, end in ranges:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _attribute(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def _flows(span: ReadableSpan) -> list[Flow]:
    # Without a limit on attribute length, which nothing here sets, one attribute holds them all.
    flows: list[Flow] = json.loads(_attribute(span, FLOWS) or "[]")
    return flows

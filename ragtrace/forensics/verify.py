"""Verify: what an evidence bundle proves, by the standard library and ``cryptography`` alone.

This one file is the whole verifier; it imports nothing of ragtrace. Copy it to where the bundle
is to be checked, and run::

    python verify.py BUNDLE.zip --key PUBLIC.pem

Exit status 0: the bundle is what the holder of that key signed. 1: it is not, each fault named.
2: it could not be checked. Without ``--key`` it is never 0: a bundle cannot vouch for itself.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["Fault", "Report", "archive", "canonical", "key_id", "main", "read_key", "verify"]

MOST_BYTES: Final = 1 << 30
"""Of a bundle: 1 GiB. It is read into memory, and nothing in it is compressed."""
MOST_FILES: Final = 20_000
"""Of a bundle; a trace is one."""
MOST_NAME: Final = 1000
"""Bytes of a file's name; none that is written has a tenth of it."""
MOST_FAULTS: Final = 100
"""That are named; of a bundle with so many, the rest says nothing new."""
ENVELOPE: Final = "statement.dsse.json"
MANIFEST: Final = "manifest.json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:ragtrace:context-flow:v1"
HEAD_TYPE: Final = "ragtrace/head/v1"
COMMITMENT: Final = b"ragtrace/commitment/v1"

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""Relative, without a step upwards, a drive or anything hidden."""
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_DOS_DATE: Final = 0x21
"""1980-01-01: the time of every file, so that equal bundles are equal bytes."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        kind: ``archive``, ``file-missing``, ``file-added``, ``file-changed``, ``signature``,
            ``signer``, ``statement``, ``manifest``, ``entry-changed``, ``entry-missing``,
            ``entry-inserted``, ``entry-order``, ``tail-cut``, ``head``, ``decision``, ``flows``,
            ``text``, ``policy`` or ``format``.
        where: A file of the bundle, or an entry of a chain.
        said: What it is, in a sentence without any content.
    """

    kind: str
    where: str
    said: str


@dataclass
class Report:
    """What was found.

    Attributes:
        faults: What is wrong; empty for a bundle that is what its signer signed.
        signer: Id of the key that signed it; empty where none did.
        trusted: Whether that key is one that was given.
        counts: How many files, traces, decisions, entries, heads and texts were looked at.
        notes: What is no fault and to be known, such as decisions without an entry.
    """

    faults: list[Fault] = field(default_factory=list)
    signer: str = ""
    trusted: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it is proved to be what the holder of a given key signed."""
        return self.trusted and not self.faults

    def fault(self, kind: str, where: str, said: str) -> None:
        """Name one thing that is wrong."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind, where, said))

    def count(self, what: str, number: int = 1) -> None:
        """Count what was looked at."""
        self.counts[what] = self.counts.get(what, 0) + number

    def as_json(self) -> dict[str, Any]:
        """Give the report as one tree."""
        return {"ok": self.ok, **asdict(self)}


class _BadArchiveError(Exception):
    """The bytes are not laid out as a bundle is."""


# --- canonical JSON, RFC 8785 ---------------------------------------------------------------
def canonical(tree: Any) -> bytes:
    """Write ``tree`` as RFC 8785 has it.

    Raises:
        ValueError: It holds what I-JSON has no form for.
    """
    return _written(tree).encode("utf-8")


def _written(tree: Any) -> str:
    if isinstance(tree, dict):
        if not all(isinstance(name, str) for name in tree):
            raise ValueError("a key that is no string")
        names = sorted(tree, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_written(n)}:{_written(tree[n])}" for n in names) + "}"
    if isinstance(tree, (list, tuple)):
        return "[" + ",".join(map(_written, tree)) + "]"
    if isinstance(tree, float):
        return _number(tree)
    if isinstance(tree, int) and not isinstance(tree, bool) and abs(tree) > 2**53:
        raise ValueError("a number beyond 2^53")
    return json.dumps(tree, ensure_ascii=False)


def _number(value: float) -> str:
    """As ECMAScript writes it: the digits of ``repr`` with its own rule for the exponent."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a number that is none")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + part) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    shown = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{sign}{shown}e{'+' if power > 0 else '-'}{abs(power)}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- the archive: files one behind the other, stored as they are, in the order of their names ---
def archive(files: Mapping[str, bytes]) -> bytes:
    """Write ``files`` as the one ZIP file that they make; nothing in it is left to chance."""
    body, directory = bytearray(), bytearray()
    for name in sorted(files):
        data, raw = files[name], name.encode("ascii")
        crc, size = zlib.crc32(data), len(data)
        common = (0, 0, 0, _DOS_DATE, crc, size, size, len(raw), 0)
        directory += _CENTRAL.pack(b"PK\x01\x02", 20, 20, *common, 0, 0, 0, 0, len(body)) + raw
        body += _LOCAL.pack(b"PK\x03\x04", 20, *common) + raw + data
    count = len(files)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def _files(data: bytes, report: Report) -> dict[str, bytes]:
    """The files of an archive, read from the front; what is not as ``archive`` writes it is said.

    Raises:
        _BadArchiveError: It cannot be read to its directory.
    """
    if len(data) > MOST_BYTES:
        raise _BadArchiveError(f"expected at most {MOST_BYTES} bytes")
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        if len(files) >= MOST_FILES:
            raise _BadArchiveError(f"expected at most {MOST_FILES} files")
        name, held, at = _file(data, at)
        if not _NAME.fullmatch(name):
            report.fault("archive", ascii(name)[:80], "a name that leads out of the bundle")
        elif name in files:
            report.fault("archive", name, "the name is there twice")
        files.setdefault(name, held)
    if data[at : at + 4] not in (b"PK\x01\x02", b"PK\x05\x06"):
        raise _BadArchiveError(f"cut off or changed at byte {at}")
    if list(files) != sorted(files):
        report.fault("archive", "", "the files are not in the order of their names")
    made = archive({name: held for name, held in files.items() if name.isascii()})
    if made != data:
        place = next((i for i, (a, b) in enumerate(zip(made, data)) if a != b), None)  # noqa: B905
        where = min(len(made), len(data)) if place is None else place
        report.fault("archive", _at(files, where), f"byte {where} is not what it was written as")
    return files


def read_files(data: bytes) -> dict[str, bytes]:
    """The files of an archive that is as ``archive`` writes it; of any other, none."""
    report = Report()
    try:
        files = _files(data, report)
    except _BadArchiveError:
        return {}
    return {} if report.faults else files


def _file(data: bytes, at: int) -> tuple[str, bytes, int]:
    """The file whose header stands at ``at``: its name, what it holds, and where it ends."""
    if at + _LOCAL.size > len(data):
        raise _BadArchiveError(f"cut off at byte {at}")
    _, _, flags, method, _, _, _, packed, size, named, extra = _LOCAL.unpack_from(data, at)
    begin = at + _LOCAL.size + named + extra
    if method != 0 or flags != 0 or packed != size:
        raise _BadArchiveError(f"byte {at}: compressed or encrypted, and a bundle is neither")
    if begin + size > len(data):
        raise _BadArchiveError(f"cut off: a file at byte {at} ends behind the end")
    if named > MOST_NAME:
        raise _BadArchiveError(f"byte {at}: expected a name of at most {MOST_NAME} bytes")
    name = data[at + _LOCAL.size : at + _LOCAL.size + named].decode("ascii", "backslashreplace")
    return name, data[begin : begin + size], begin + size


def _at(files: Mapping[str, bytes], place: int) -> str:
    """The file in whose header or content a byte of the archive stands."""
    at = 0
    for name, held in files.items():
        at += _LOCAL.size + len(name) + len(held)
        if place < at:
            return name
    return "the directory"


# --- keys ------------------------------------------------------------------------------------
def key_id(public: bytes) -> str:
    """Name a public key of 32 bytes: the first 32 hex digits of its SHA-256."""
    return _sha256(public)[:32]


def read_key(text: str) -> bytes:
    """Read a public Ed25519 key from PEM, or from 64 hex digits.

    Raises:
        ValueError: It is none.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    said = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", said):
        return bytes.fromhex(said)
    try:
        found = serialization.load_pem_public_key(said.encode())
    except Exception:
        found = None
    if not isinstance(found, Ed25519PublicKey):
        raise ValueError("expected a public Ed25519 key, in PEM or as 64 hex digits")
    return found.public_bytes_raw()


def _signed(public: bytes, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def encoded(payload: bytes) -> bytes:
    """What a DSSE signature is of (PAE, DSSE 1.0.2)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


# --- what is checked, in this order ----------------------------------------------------------
def verify(data: bytes, keys: Sequence[bytes] = ()) -> Report:
    """Check a bundle; never raises, whatever the bytes are.

    Args:
        data: The bundle.
        keys: Public keys, 32 bytes each, of those whose bundles are believed.
    """
    report = Report()
    try:
        files = _files(data, report)
    except _BadArchiveError as error:
        report.fault("archive", "", str(error))
        return report
    report.count("files", len(files))
    try:
        statement = _statement(files, keys, report)
        if statement is not None:
            _subjects(files, statement, report)
            _contents(files, report)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        report.fault("format", "", f"not in the form of a bundle: {type(error).__name__}")
    return report


def _json(data: bytes) -> Any:
    return json.loads(data.decode("utf-8"))


def _statement(
    files: Mapping[str, bytes], keys: Sequence[bytes], report: Report
) -> dict[str, Any] | None:
    """What was signed, once the signature holds; ``None`` where there is nothing to go by."""
    if ENVELOPE not in files:
        report.fault("file-missing", ENVELOPE, "nobody has signed this")
        return None
    try:
        envelope = _json(files[ENVELOPE])
        payload = base64.b64decode(envelope["payload"], validate=True)
        (signature,) = envelope["signatures"]
        signed = base64.b64decode(signature["sig"], validate=True)
        public = bytes.fromhex(signature["public"])
        statement = _json(payload)
        subjects = statement["subject"]
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError):
        report.fault("signature", ENVELOPE, "not a DSSE envelope around an in-toto statement")
        return None
    report.signer = key_id(public)
    if files[ENVELOPE] != canonical(envelope) or envelope.get("payloadType") != PAYLOAD_TYPE:
        report.fault("signature", ENVELOPE, "not as it was written")
    if signature.get("keyid") != report.signer:
        report.fault("signature", ENVELOPE, "the key's id is not of the key beside it")
    if not _signed(public, signed, encoded(payload)):
        report.fault("signature", ENVELOPE, "the signature is not of this statement by this key")
    report.trusted = public in keys
    if not report.trusted:
        said = f"signed with the key {report.signer}"
        other = "which is none of those given" if keys else "and no key to believe was given"
        report.fault("signer", ENVELOPE, f"{said}, {other}")
    if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
        report.fault("statement", ENVELOPE, "a statement of another kind")
    if not isinstance(subjects, list):
        raise TypeError("subjects")
    found: dict[str, Any] = statement
    return found


def _subjects(files: Mapping[str, bytes], statement: dict[str, Any], report: Report) -> None:
    """Every file that was signed is there as it was, and no other."""
    said = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    for name in sorted(said.keys() - files.keys()):
        report.fault("file-missing", name, "it was signed, and is not there")
    for name in sorted(files.keys() - said.keys() - {ENVELOPE}):
        report.fault("file-added", name, "nobody has signed it")
    for name in sorted(said.keys() & files.keys()):
        if _sha256(files[name]) != said[name]:
            report.fault("file-changed", name, "its SHA-256 is not the one that was signed")


def _contents(files: Mapping[str, bytes], report: Report) -> None:
    """What the files say holds together: also where their signer should be mistaken."""
    manifest = _json(files[MANIFEST])
    listed = {one["name"]: (one["bytes"], one["sha256"]) for one in manifest["files"]}
    for name, held in files.items():
        if name not in (MANIFEST, ENVELOPE) and listed.get(name) != (len(held), _sha256(held)):
            report.fault("manifest", name, "not as the manifest lists it")
    decisions: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name in sorted(files):
        if name.startswith("chain/"):
            decisions |= _segment(name, files[name], report)
    expected = {tuple(one) for one in manifest["decisions"]}
    for missing in sorted(expected - decisions.keys()):
        report.fault("decision", missing[1], f"the decision of span {missing[2]} has no entry")
    report.count("decisions", len(decisions))
    lacking = set(map(tuple, manifest["changed_since"]))
    for name in sorted(files):
        if name.startswith("traces/"):
            _trace(name, _json(files[name]), decisions, lacking, report)
    _texts(files, report)
    _policy(files, manifest, report)
    for what, text in (("unchained", "decisions without an entry"), ("missing", "texts left out")):
        if manifest[what]:
            report.notes.append(f"{len(manifest[what])} {text}")
    if lacking:
        report.notes.append(f"{len(lacking)} decisions whose flows were told otherwise since")


def _segment(name: str, data: bytes, report: Report) -> dict[tuple[str, str, str], dict[str, Any]]:
    """A stretch of a chain: each entry linked to the one before, each head met."""
    lines = [_json(line) for line in data.splitlines()]
    begin, heads = lines[0], lines[0]["heads"]
    chain, seq, last = begin["chain"], begin["after"]["seq"], begin["after"]["hash"]
    hashes = {seq: last}
    decisions: dict[tuple[str, str, str], dict[str, Any]] = {}
    latest: dict[tuple[str, str, str], int] = {}
    for entry in lines[1:]:
        where = f"{name}: entry {entry['seq']}"
        if entry["seq"] != seq + 1:
            kind, said = _out_of_order(entry["seq"], seq, hashes)
            report.fault(kind, where, said)
        seq = entry["seq"]
        linked = {key: entry[key] for key in ("seq", "body", "supersedes")}
        last = _sha256(canonical({"chain": chain, "prev": last, **linked}))
        if last != entry["hash"]:
            report.fault("entry-changed", where, "it is not what the next one and the head rest on")
            last = entry["hash"]
        hashes[seq] = last
        if "decision" in entry:
            body = entry["decision"]
            if _sha256(body.encode("utf-8")) != entry["body"]:
                report.fault("entry-changed", where, "the decision is not the one that was linked")
            said_ = json.loads(body)
            key = (said_["time"], said_["trace"], said_["span"])
            if seq >= latest.get(key, 0):
                decisions[key], latest[key] = said_, seq
    report.count("entries", len(lines) - 1)
    _heads(name, chain, heads, hashes, seq, report)
    return decisions


def _out_of_order(found: int, seq: int, hashes: Mapping[int, str]) -> tuple[str, str]:
    if found in hashes:
        return "entry-inserted", "an entry of this number is there already"
    if found > seq + 1:
        return "entry-missing", f"entries {seq + 1} to {found - 1} are missing"
    return "entry-order", f"it stands behind entry {seq}"


def _heads(
    name: str,
    chain: str,
    heads: Sequence[dict[str, Any]],
    hashes: Mapping[int, str],
    last: int,
    report: Report,
) -> None:
    for head in heads:
        report.count("heads")
        where = f"{name}: head at {head['seq']}"
        public = bytes.fromhex(head["public_key"])
        said = {
            "type": HEAD_TYPE,
            "chain": chain,
            "seq": head["seq"],
            "hash": head["hash"],
            "time": head["time"],
            "key": head["public_key"],
        }
        if key_id(public) != chain:
            report.fault("head", where, "sealed with another key than the chain's")
        elif not _signed(public, bytes.fromhex(head["signature"]), canonical(said)):
            report.fault("head", where, "the seal is not of this head")
        if head["seq"] > last:
            report.fault("tail-cut", where, f"sealed up to {head['seq']}, and {last} is the last")
        elif hashes.get(head["seq"]) != head["hash"]:
            report.fault("head", where, "the entry is not the one that was sealed")
    if not any(head["seq"] >= last for head in heads):
        report.notes.append(f"{name}: no head covers the last entries")


def _trace(
    name: str,
    tree: dict[str, Any],
    decisions: Mapping[tuple[str, str, str], dict[str, Any]],
    lacking: set[tuple[str, str, str]],
    report: Report,
) -> None:
    """The flows of each decision are those that it was about."""
    report.count("traces")
    for step in tree["decisions"]:
        key = (step["time"], tree["trace"], step["span"])
        body = decisions.get(key)
        if body is None or key in lacking:
            continue
        flows = step["flows"]
        if body["flows"] != flows_of(flows):
            report.fault("flows", f"{name}: span {step['span']}", "not those of the decision")


def flows_of(flows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a decision says of its flows."""
    lines = "".join(f"{flow['line']}\n" for flow in flows).encode("utf-8")
    readers = [reader for flow in flows for reader in flow["readers"]]
    made = canonical([_sha256(lines), [flow["text"] for flow in flows], readers])
    return {"count": len(flows), "digest": _sha256(made)}


def _texts(files: Mapping[str, bytes], report: Report) -> None:
    """Each text has its digest, and its digest is the one that was committed to."""
    if "texts.json" not in files:
        return
    for place, one in enumerate(_json(files["texts.json"])):
        report.count("texts")
        where = f"texts.json: {place}"
        plain = one["text"] if one["kind"] != "prompt" else _told(one["messages"])
        digest = _sha256(plain.encode("utf-8", "surrogatepass"))
        if digest != one["digest"]:
            report.fault("text", where, "it does not have its digest")
        parts = (COMMITMENT, b"text", bytes.fromhex(one["salt"]), digest.encode())
        if _sha256(b"\0".join(parts)) != one["commitment"]:
            report.fault("text", where, "it is not the one that was committed to")


def _told(messages: Sequence[Sequence[str]]) -> str:
    """A prompt as its digest is of it: each role and text behind its length in characters."""
    return "".join(f"{len(one)}:{one}" for pair in messages for one in pair)


def _policy(files: Mapping[str, bytes], manifest: dict[str, Any], report: Report) -> None:
    """The policy is the one that is said; whether it judged, the decisions say."""
    said = manifest["policy"]
    if said is None:
        return
    digests = [one["sha256"] for one in said["files"]]
    whole = digests[0] if len(digests) == 1 else _sha256("\n".join(digests).encode())
    if whole != said["digest"]:
        report.fault("policy", MANIFEST, "the digests of its files do not make the policy's")
    if _sha256(files[said["file"]]) != digests[0]:
        report.fault("policy", said["file"], "not the file whose digest is given")
    others = [one for one in manifest["policies"] if one != said["digest"]]
    if others:
        report.notes.append(f"{len(others)} other policies judged some of the decisions")


# --- the command -----------------------------------------------------------------------------
def lines_of(report: Report) -> Iterator[str]:
    """The report for a reader."""
    for fault in report.faults:
        yield f"FAULT  {fault.kind}  {_plain(fault.where)}: {fault.said}"
    for note in report.notes:
        yield f"note   {_plain(note)}"
    counted = ", ".join(f"{number} {what}" for what, number in report.counts.items())
    yield f"signed by {report.signer or 'nobody'}; {counted or 'nothing was read'}"
    yield "proved" if report.ok else "NOT PROVED"


def _plain(said: str) -> str:
    """What a bundle calls something, on one line and without what moves a terminal's cursor."""
    return ascii(said)[1:-1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the bundle that the command line names; give the exit status."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check an evidence bundle.")
    parser.add_argument("bundle", help="the bundle, a .zip")
    parser.add_argument("--key", action="append", default=[], help="public key: PEM file, or hex")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    try:
        keys = [read_key(_key_text(one)) for one in asked.key]
        path = Path(asked.bundle)
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path}: expected at most {MOST_BYTES} bytes")
        report = verify(path.read_bytes(), keys)
    except (OSError, ValueError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError:
        print("verify: cryptography is not installed: pip install cryptography", file=sys.stderr)
        return 2
    print(json.dumps(report.as_json(), indent=2) if asked.json else "\n".join(lines_of(report)))
    return 0 if report.ok else 1


def _key_text(given: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return given
    return Path(given).read_bytes()[:10_000].decode("ascii", "replace")


if __name__ == "__main__":
    sys.exit(main())

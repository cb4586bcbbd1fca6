"""Where personal data stands in a text: one finder per kind, each linear in the length of the text.

A finder is given plain text (`text.py` takes disguise off first) in which whatever is already masked is `BLANK`.
Patterns repeat a bounded number of times or possessively, so that no text can make one slow; what a shape leaves open
is settled by check digits (`stdnum`), by numbering plans (`phonenumbers`) or by the words before it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from .numbers import LEFT, Span, cards, ibans, national_numbers, phones, verbose, words_before

# Stands for masked text while the rest is searched. Boundaries treat it like a letter: were it none, masking one thing
# could lay bare another, and masking twice would differ from masking once. `text.py` never passes it in.
BLANK = "\x7f"

# ---- secrets, pages, mail boxes, machines ---------------------------------------------------------------------------

_SECRET = verbose(
    r"""(?<![\w\x7f]) (?: eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]++)?
    | (?:sk|pk|rk)[_-](?:(?:live|test|ant|proj)[_-])?[a-z0-9]{16,}+[\w-]*+ | gh[pousr]_\w{20,}+ | github_pat_\w{20,}+
    | AKIA[0-9A-Z]{16}(?!\w) | xox[abprs]-[\w-]{10,}+ | AIza[\w-]{30,}+ )"""
)
# One of these stands in every match; looking for them first is ten times faster than the pattern.
_SECRET_MARKS = ("eyj", "sk_", "sk-", "pk_", "pk-", "rk_", "rk-", "akia", "xox", "aiza",
                 "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")  # fmt: skip
_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_URL = verbose(r"(?: :// | \bwww\. | \.[a-z]{2,12}/ ) [^\s<>\"\[\]\x7f]++")
_OPAQUE = verbose(  # a token, a session, a UUID; not "how-to-return-an-order-2024"
    r"(?<![0-9a-z]) (?: [0-9a-z]{32} | (?=[a-z]{0,15}\d)(?=\d{0,15}[a-z])[0-9a-z]{16} | [0-9a-f]{8}-[0-9a-f]{4}- )"
)
# Without http:// or www. only a query tells an address from a sentence without its space ("the debt.On/off").
_WRITTEN_OUT = verbose(r"[a-z][a-z0-9+.-]{0,20}:// | www\.")
_QUERY = verbose(r"[?#&][\w-]{1,40}=")
_LETTERS = "\u00df-\u024f\u0370-\u052f"  # as far as disguise did not turn them into ASCII ones
_LOCAL = _ALNUM + "._%+'-" + "".join(map(chr, (*range(0xDF, 0x250), *range(0x370, 0x530))))
_AT = verbose(rf"@ (?:[a-z0-9{_LETTERS}-]{{1,63}}+\.){{1,8}} [a-z{_LETTERS}]{{2,24}} (?:-?\w)*+")
_IPV4 = verbose(
    rf"{LEFT} (?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){{3}} (?:25[0-5]|2[0-4]\d|1?\d?\d) (?![\w\x7f]|[.-][\d\x7f])"
)
_IPV6 = verbose(r"(?<![\w:.\x7f]) (?:[0-9a-f]{0,4}:){2,7}+ (?:[0-9a-f]{1,4}+)? (?![\w:\x7f])")
_COUNTED = verbose(r"\b (?:v|ver\w*|release|firmware|build|driver|section|chapter|clause|art\w*) [\s.:(]* \Z")


def secrets(text: str) -> Iterator[Span]:
    """Yield keys and tokens that open something: JWT, and the well-known prefixes."""
    lowered = text.lower()
    if any(mark in lowered for mark in _SECRET_MARKS):
        yield from (match.span() for match in _SECRET.finditer(text))


def urls(text: str) -> Iterator[Span]:
    """Yield addresses that carry something of one person: a query, a fragment, a login or a token."""
    floor = 0
    for match in _URL.finditer(text) if "/" in text or "www." in text.lower() else ():
        start = floor + len(text[floor : match.start()].rstrip(_ALNUM + ".+-"))
        floor = match.end()
        url = text[start:floor].rstrip(".,;:!?)'}")
        rest = url.split("://", 1)[-1]
        if url.startswith((".", "://")):
            continue  # no host before it
        plain_host = match[0].startswith(".") and not _WRITTEN_OUT.match(url)
        if _QUERY.search(rest) if plain_host else any(mark in rest for mark in "?#@") or _OPAQUE.search(rest):
            yield start, start + len(url)


def emails(text: str) -> Iterator[Span]:
    """Yield mail addresses. They are sought from the @ outwards: sought from the left, "aaaa..." costs a square."""
    floor = 0
    for match in _AT.finditer(text) if "@" in text else ():
        before = text[floor : match.start()]
        local = before[len(before.rstrip(_LOCAL)) :].lstrip("._%+'-")
        floor = match.end()
        if local:
            yield match.start() - len(local), floor


def ips(text: str) -> Iterator[Span]:
    """Yield internet addresses of machines, versions 4 and 6, but neither versions of software nor times."""
    for match in _IPV4.finditer(text) if text.count(".") > 2 else ():
        if not _COUNTED.search(words_before(text, match.start())):
            yield match.span()
    for match in _IPV6.finditer(text) if text.count(":") > 1 else ():
        # "a::b" and "::1" are valid too, but lead to nobody.
        if re.search(r"[0-9a-f]{3}", match[0], re.IGNORECASE) and re.search(r"\d", match[0]) and _is_ipv6(match[0]):
            yield match.span()


def _is_ipv6(text: str) -> bool:
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


# ---- all of it ------------------------------------------------------------------------------------------------------

Finder = Callable[[str], Iterable[Span]]
# What comes first wins: kinds that hold other kinds lead, then those with check digits.
FINDERS: Mapping[str, Finder] = {
    "SECRET": secrets, "URL": urls, "EMAIL": emails, "IP": ips,
    "IBAN": ibans, "CARD": cards, "ID": national_numbers, "PHONE": phones,
}  # fmt: skip
_LONG_NUMBERS = ("IBAN", "CARD", "ID", "PHONE")
# Every alternative begins with a digit, which lets the search skip from digit to digit.
_LONG_NUMBER = re.compile(r"\d(?:(?:[ ().\-/]{0,3}\d){5}|(?<=[A-Za-z]\d)\d[A-Za-z]|(?<=[A-Za-z]{5}\d)\d{3})", re.ASCII)
_PLACEHOLDER = re.compile(r"\[(?:" + "|".join(FINDERS) + r")\]")
# Blanking one number may free another that had been read as part of it; a second round finds it. Chains longer than
# this have to be built on purpose.
_ROUNDS = 8


def find(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and label of all that is personal in `text`, in order and without overlaps."""
    if "[" in text:
        text = _blank(text, (match.span() for match in _PLACEHOLDER.finditer(text)))
    found: list[tuple[int, int, str]] = []
    for _ in range(_ROUNDS):
        before = len(found)
        for label, finder in FINDERS.items():
            if label in _LONG_NUMBERS and not _LONG_NUMBER.search(text):
                break
            spans = list(_apart(finder(text)))
            if spans:
                text = _blank(text, spans)
                found += [(start, stop, label) for start, stop in spans]
        if len(found) == before:
            break
    return sorted(found)


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            yield start, stop
            end = stop


def _blank(text: str, spans: Iterable[Span]) -> str:
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], BLANK * (stop - start)]
        end = stop
    return "".join(pieces) + text[end:]

"""Numbers that lead to one person: bank accounts, cards, national numbers, telephones; one linear finder for each.

`masking.py` lists the finders and explains the text they are given. Patterns repeat a bounded number of times or
possessively. What a shape leaves open is settled by check digits (`stdnum`), by numbering plans (`phonenumbers`) or by
the words before it; both libraries are loaded when the first doubtful number turns up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module

Span = tuple[int, int]
Judge = Callable[[re.Match[str]], int]

# Not inside a code (BX-7714-0092), a path or a longer number, and not beside masked text (\x7f): were that no bar,
# masking one thing could lay bare another. Word characters are ASCII ones, as Chinese and Thai put numbers right
# behind a letter.
LEFT = r"(?<![\w\x7f#@$&=+*])(?<![\w\x7f][-/])(?<![\d\x7f][.,:])"
RIGHT = r"(?![\w\x7f%])(?![-/.,:]?[\d\x7f])(?![-/]\w)"

# A doubtful number may cost a millisecond. Past this many of a kind in one text, doubt means masking.
_DOUBTS = 200
_GROUP = re.compile(r"\W*\w+", re.ASCII)
_SINCE = re.compile(r"[^\d\x7f\n]*\Z")


def verbose(pattern: str) -> re.Pattern[str]:
    """Return `pattern` compiled so that its own spaces do not count and its letters mean either case."""
    return re.compile(pattern, re.ASCII | re.IGNORECASE | re.VERBOSE)


def words_before(text: str, start: int) -> str:
    """Return what stands before `start` on its line, back to the last digit or masked text, 40 characters at most."""
    since = _SINCE.search(text, max(0, start - 40), start)
    return since[0] if since else ""


def _scan(pattern: re.Pattern[str], text: str, judge: Judge) -> Iterator[Span]:
    """Yield where `pattern` matches and `judge` says up to where the match is personal (0: it is not).

    After a refusal the search goes on behind the first group of the match, as a telephone may follow a house number.
    """
    position = doubts = 0
    while match := pattern.search(text, position):
        doubts += 1
        stop = judge(match) if doubts <= _DOUBTS else match.end()
        if stop:
            yield match.start(), stop
        group = _GROUP.match(text, match.start())
        position = stop or (group.end() if group else match.end())


def _prefixes(match: re.Match[str], shortest: int) -> Iterator[str]:
    """Yield the match, then what is left without its last words: they may be no part of it ("020 7946 0958 24/7")."""
    number = match[0]
    while len(number) >= shortest:
        yield number
        number = number[: max(number.rfind(" "), 0)]


def _bare(number: str) -> str:
    return re.sub(r"\D", "", number)


def _checked(module: str, number: str) -> bool:
    return bool(import_module(f"stdnum.{module}").is_valid(number))


# What is named as something else right before it is no telephone, whatever its shape.
_OTHER = verbose(
    r"""\b (?: orders? | booking | reserv\w* | ref\w* | case | claim | ticket | track\w* | parcel | package | shipment
    | account | acct? | customer | client\w* | member\w* | policy | contract | invoice | bill | serial | model | sku
    | item | product | isbn | ean | vin | tag | trip | rental | transaction | txn | transfer | student | meter | job
    | file | folder | voucher | coupon | code | id | konto\w* | imei | pcn | batch | lot | pedido | bestell\w* | best
    | auftrag\w* | kunden\w* | vertrag\w* | rechnung\w* | sendung\w* | vorgang\w* | schaden\w* | mitglied\w*
    | kassenzeichen | aktenzeichen | commande | dossier | contrat\w* | facture | suivi | colis | ordine | pratica
    | fattura | spedizione | polis\w* | klant\w* | factuur\w* | zending | protocol\w* | fatura | encomenda | guia
    | envio | poliza | factura | exp | apolice | servicio | instalac\w* | cuenta | conta ) \b [\s.:\#-]*
    (?: (?: no | nr | n | num\w* | is | was | es | ist | est | id | code | ref\w* ) \b [\s.:\#-]* ){0,3} \Z"""
)


def _named_otherwise(match: re.Match[str], group: str | int = 0) -> bool:
    return _OTHER.search(words_before(match.string, match.start(group))) is not None


# ---- accounts and cards ---------------------------------------------------------------------------------------------

_IBAN = verbose(rf"{LEFT} [a-z]{{2}}\d{{2}} (?:[ -]?[a-z0-9]){{11,30}} (?![\w\x7f])")
_CARD = verbose(
    rf"""{LEFT} (?: (?P<fours>\d{{4}}(?P<gap>[ -])\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{4}}) (?:(?P=gap)\d{{1,3}})?
    | \d{{13,19}} | (?:\d{{2,9}}[ -]){{1,4}}\d{{2,9}} ) {RIGHT}"""
)
_ISSUED = re.compile(r"4|5[0-8]|2[2-7]|6|3[04-689]")  # first digits that card issuers use


def ibans(text: str) -> Iterator[Span]:
    """Yield international bank account numbers."""

    def judge(match: re.Match[str]) -> int:
        good = (number for number in _prefixes(match, 15) if _checked("iban", number))
        return match.start() + len(next(good, "")) if (good := list(good)) else 0

    return _scan(_IBAN, text, judge)


def cards(text: str) -> Iterator[Span]:
    """Yield payment cards; four groups of four are one even when mistyped, unless they are named as something else."""

    def judge(match: re.Match[str]) -> int:
        if not _ISSUED.match(match[0]):
            return 0
        if 13 <= len(_bare(match[0])) <= 19 and _checked("luhn", _bare(match[0])):
            return match.end()
        fours = match["fours"] and (_checked("luhn", _bare(match["fours"])) or not _named_otherwise(match))
        return match.end("fours") if fours else 0

    return _scan(_CARD, text, judge)


# ---- national numbers -----------------------------------------------------------------------------------------------

# The `stdnum` module that checks it (UK national insurance and passports have no check digit), its shape, and the word
# it must stand behind where any order number may have that shape. Adding a number is adding a row.
_NATIONAL = (
    ("us.ssn", r"\d{3}-\d{2}-\d{4}", ""),
    ("us.itin", r"9\d{2}-\d{2}-\d{4}", ""),
    ("us.ssn", r"\d{3} ?\d{2} ?\d{4}", r"ssn|social security"),
    ("", r"(?!bg|gb|kn|nk|nt|tn|zz)[a-ceghj-tw-z][a-ceghj-npr-tw-z] ?\d{2} ?\d{2} ?\d{2} ?[a-d]", ""),
    ("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs"),
    ("es.dni", r"\d{8}[ -]?[a-z]|\d{2}\.\d{3}\.\d{3}[ -]?[a-z]", ""),
    ("es.nie", r"[xyz][ -]?\d{7}[ -]?[a-z]", ""),
    ("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[ab]) ?\d{3} ?\d{3} ?\d{2}", ""),
    ("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer-?\w*|idnr|tax id|tin"),
    ("it.codicefiscale", r"[a-z]{6} ?[0-9lmnp-v]{2}[a-z][0-9lmnp-v]{2} ?[a-z][0-9lmnp-v]{3}[a-z]", ""),
    ("nl.bsn", r"\d(?:[ .]?\d){7,8}", r"bsn|burgerservice\w*|sofi\w*"),
    ("be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", ""),
    ("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", ""),
    ("br.cpf", r"\d{9}-?\d{2}", r"cpf"),
    ("br.cnpj", r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", ""),
    ("pt.nif", r"\d{3} ?\d{3} ?\d{3}", r"nif|contribuinte"),
    ("ie.pps", r"\d{7}[a-w][a-iw]?", r"ppsn?"),
    ("ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}", ""),
    ("at.vnr", r"\d{4} ?\d{6}", r"svnr|sv-?nr|sozialversicherung\w*"),
    ("se.personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}", r"personnummer"),
    ("dk.cpr", r"\d{6}-?\d{4}", r"cpr\w*"),
    ("no.fodselsnummer", r"\d{6} ?\d{5}", r"f.?dselsnummer|personnummer"),
    ("fi.hetu", r"\d{6}[-+a]\d{3}[0-9a-y]", ""),
    ("pl.pesel", r"\d{11}", r"pesel"),
    ("in_.aadhaar", r"\d{4}[ -]?\d{4}[ -]?\d{4}", r"aadhaa?r"),
    ("in_.pan", r"[a-z]{5}\d{4}[a-z]", r"pan"),
    ("ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"sin|social insurance"),
    ("au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", r"tfn|tax file"),
    ("", r"[a-z]{0,3}\d{6,9}", r"pass?ports?|reisepass\w*|pasaporte|passeport|passaport[eo]|paspoort\w*"),
)


def _shape(pattern: str) -> re.Pattern[str]:
    return verbose(rf"{LEFT} (?:{pattern.replace(' ', '[ ]')}) {RIGHT}")


def _word(pattern: str) -> re.Pattern[str]:
    return verbose(rf"\b(?:{pattern.replace(' ', '[ ]')})\b")


_UNNAMED = tuple((check, _shape(shape)) for check, shape, word in _NATIONAL if not word)
_NAMED = tuple((check, _shape(shape), _word(word)) for check, shape, word in _NATIONAL if word)
_ANY_NAME = _word("|".join(word for _, _, word in _NATIONAL if word))


def national_numbers(text: str) -> Iterator[Span]:
    """Yield numbers that a state gives a person (or, in Brazil, a company): tax, insurance, health, passport."""
    for check, shape in _UNNAMED:
        yield from _scan(shape, text, lambda m, check=check: m.end() if not _named_otherwise(m) and _valid(check, m) else 0)
    for check, shape, word in _NAMED if _ANY_NAME.search(text) else ():
        ...


# ---- telephones -----------------------------------------------------------------------------------------------------

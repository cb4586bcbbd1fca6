"""Numbers that lead to one person: bank accounts, cards, national numbers, telephones; one linear finder for each.

`masking.py` lists the finders and explains the text they are given. Patterns repeat a bounded number of times or
possessively. What a shape leaves open is settled by check digits (`stdnum`), by numbering plans (`phonenumbers`) or by
the words before it; both libraries are loaded when the first doubtful number turns up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module

Span = tuple[int, int]
Judge = Callable[[re.Match[str]], int]

# Not inside a code (BX-7714-0092), a path or a longer number, and not beside masked text (\x7f): were that no bar,
# masking one thing could lay bare another. Word characters are ASCII ones, as Chinese and Thai put numbers right
# behind a letter.
LEFT = r"(?<![\w\x7f#@$&=+*])(?<![\w\x7f][-/])(?<![\d\x7f][.,:])"
RIGHT = r"(?![\w\x7f%])(?![-/.,:]?[\d\x7f])(?![-/]\w)"

# A doubtful number may cost two milliseconds. Past this many of a kind in one text, doubt means masking.
_DOUBTS = 100
_GROUP = re.compile(r"\W{0,4}\w++", re.ASCII)
_BREAK = re.compile(r"[\d\x7f\n]")


def verbose(pattern: str) -> re.Pattern[str]:
    """Return `pattern` compiled so that its own spaces do not count and its letters mean either case."""
    return re.compile(pattern, re.ASCII | re.IGNORECASE | re.VERBOSE)


def words_before(text: str, start: int) -> str:
    """Return what stands before `start` on its line, back to the last digit or masked text, 40 characters at most."""
    return _BREAK.split(text[max(0, start - 40) : start])[-1]


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
    r"""\b (?=[a-z]) (?:
    orders? | booking | reserv\w* | ref\w* | case | claim | ticket | track\w* | parcel | package | shipment
    | account | acct? | customer | client\w* | member\w* | policy | contract | invoice | bill | serial | model
    | sku | item | product | isbn | ean | vin | tag | trip | rental | transaction | txn | transfer | student
    | meter | job | file | folder | voucher | coupon | code | id | konto\w* | imei | pcn | batch | lot | pedido
    | bestell\w* | best | auftrag\w* | kunden\w* | vertrag\w* | rechnung\w* | sendung\w* | vorgang\w* | schaden\w*
    | mitglied\w* | kassenzeichen | aktenzeichen | commande | dossier | contrat\w* | facture | suivi | colis
    | ordine | pratica | fattura | spedizione | polis\w* | klant\w* | factuur\w* | zending | protocol\w* | fatura
    | encomenda | guia | envio | poliza | factura | exp | apolice | servicio | instalac\w* | cuenta | conta
    ) \b [\s.:\#-]*
    (?: (?: no | nr | n | num\w* | is | was | es | ist | est | id | code | ref\w* | de | do | del | di | of ) \b
    [\s.:\#-]* ){0,3} \Z"""
)


def _named_otherwise(match: re.Match[str], group: str | int = 0) -> bool:
    return _OTHER.search(words_before(match.string, match.start(group))) is not None


# ---- accounts and cards ---------------------------------------------------------------------------------------------

_IBAN = verbose(rf"{LEFT} [a-z]{{2}}\d{{2}} (?:[ -]?[a-z0-9]){{11,30}} (?![\w\x7f])")
_CARD = verbose(
    rf"""{LEFT} (?: (?P<fours>\d{{4}}(?P<gap>[ -])\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{4}}) (?:(?P=gap)\d{{1,3}})?
    | \d{{13,19}} | (?:\d{{2,9}}[ -]){{1,4}}\d{{2,9}} ) {RIGHT}"""
)
_ISSUED = re.compile(r"4|5[0-8]|2[2-7]|6|3[04-9]")  # first digits that card issuers use


def ibans(text: str) -> Iterator[Span]:
    """Yield international bank account numbers."""

    def judge(match: re.Match[str]) -> int:
        number = next((number for number in _prefixes(match, 15) if _checked("iban", number)), "")
        return match.start() + len(number) if number else 0

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

# The `stdnum` module that checks it (none where there are no check digits: US, UK, passports), its shape, and the word
# it must stand behind where any order number may have that shape. Adding a number is adding a row.
_NATIONAL = (
    ("", r"(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4}", ""),
    ("us.ssn", r"\d{3} ?\d{2} ?\d{4}", r"ssn|social security"),
    (
        "",
        r"(?!bg|gb|kn|nk|nt|tn|zz)[a-ceghj-tw-z][a-ceghj-npr-tw-z] ?\d{2} ?\d{2} ?\d{2} ?[a-d]",
        "",
    ),
    ("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs"),
    ("es.dni", r"\d{8}[ -]?[a-z]|\d{2}\.\d{3}\.\d{3}[ -]?[a-z]", ""),
    ("es.nie", r"[xyz][ -]?\d{7}[ -]?[a-z]", ""),
    ("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[ab]) ?\d{3} ?\d{3} ?\d{2}", ""),
    ("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer-?\w*|idnr|tax id|tin"),
    (
        "it.codicefiscale",
        r"[a-z]{6} ?[0-9lmnp-v]{2}[a-z][0-9lmnp-v]{2} ?[a-z][0-9lmnp-v]{3}[a-z]",
        "",
    ),
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
    (
        "",
        r"[a-z]{0,3}\d{6,9}",
        r"pass?ports?|reisepass\w*|pasaporte|passeport|passaport[eo]|paspoort\w*",
    ),
)


_SPACE = r"\ "  # a space that counts


@cache
def _national_patterns() -> list[tuple[str, re.Pattern[str], re.Pattern[str] | None]]:
    """Return `_NATIONAL` compiled; on first use, as it takes longer than all else in this module together."""
    return [
        (
            check,
            verbose(rf"{LEFT} (?:{shape.replace(' ', _SPACE)}) {RIGHT}"),
            verbose(rf"\b(?:{word.replace(' ', _SPACE)})\b") if word else None,
        )
        for check, shape, word in _NATIONAL
    ]


_ANY_WORD = verbose(r"\b(?:" + "|".join(word.replace(" ", _SPACE) for _, _, word in _NATIONAL if word) + r")\b")


def national_numbers(text: str) -> Iterator[Span]:
    """Yield numbers that a state gives a person (or, in Brazil, a company): tax, insurance, health, passport."""
    any_word = _ANY_WORD.search(text) is not None
    for check, shape, word in _national_patterns():
        if word is None or any_word:
            yield from _scan(shape, text, partial(_judge_national, check, word))


def _judge_national(check: str, word: re.Pattern[str] | None, match: re.Match[str]) -> int:
    if word is None:
        meant = not _named_otherwise(match)
    else:
        meant = word.search(words_before(match.string, match.start())) is not None
    return match.end() if meant and (not check or _checked(check, re.sub("[ .]", "", match[0]))) else 0


# ---- telephones -----------------------------------------------------------------------------------------------------

_REGIONS = (
    "US",
    "GB",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "PT",
    "BR",
    "AT",
    "CH",
    "IE",
    "AU",
    "IN",
)
# How people write them: with + and country; with a leading 0; as Americans do; the numbers of fiction, which belong to
# nobody but stand for one in every demo; and as countries without a leading 0 do.
_PHONE = verbose(
    rf"""{LEFT} (?: (?P<world>(?:\(\+\d{{1,3}}\)[ ]?|\+[ ]?(?:\(\d{{1,4}}\)[ ]?)?)\d
      (?:[ ./-]{{0,3}}\d|[ ]?\(\d{{1,4}}\)[ ]?(?=\d)){{6,14}})
    | (?P<trunk>00?[1-9](?:[ ./-]{{0,3}}\d){{7,13}}|\(0[1-9]\d{{0,4}}\)(?:[ ./-]{{0,3}}\d){{3,10}})
    | (?P<american>(?:1[-. ])?(?:\(\d{{3}}\)[ ]?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}})
    | (?P<fiction>555[-. ]\d{{4}} | 555(?P<a>[ -])\d{{3}}(?P=a)\d{{3}})
    | (?P<grouped>[6-9]\d{{2}}(?P<b>[ .-])\d{{3}}(?P=b)\d{{3}} | 2\d{{2}}[ ]\d{{3}}[ ]\d{{3}}
      | [6-9]\d{{2}}(?P<c>[ .-])\d{{2}}(?P=c)\d{{2}}(?P=c)\d{{2}} | 3\d{{2}}[ .-]\d{{3}}[ .-]?\d{{3,4}}
      | \(\d{{2}}\)[ ]?(?:9[ ]?)?\d{{4}}[- ]\d{{4}} | \d{{2}}[ ]9\d{{4}}[- ]\d{{4}} | [6-9]\d{{4}}[ ]\d{{5}})
    ) {RIGHT}"""
)
_CALL = r"""(?: tele? | telef\w* | (?:tele)?phone(?:'s)? | mob | mobil\w* | movil | handy\w* | cell? | cellulare
    | celular | fax | gsm | natel | sms | whats\W?app | viber | (?:hot|land)line | call(?:back)? | ring | dial
    | text[ ]me | contact[ ]n\w* | reach | ruf\w* | anruf\w* | r?appel(?:er|ez) | joindre | joignable | llam[ae]\w*
    | marcar | ligu?[ae]r? | chiam\w* | bel | bellen | bereik\w* | (?:my|mijn|mon|meu|mi|mio)[ ]num\w*
    | (?:mijn|meine)[ ]nummer )"""
_CALLED = verbose(
    rf"\b{_CALL}\b\.?[^\d\x7f\n.!?;]{{0,25}}?{LEFT}"
    rf"(?P<number>(?:\(\d{{1,4}}\)[ ]?)?\d(?:[ ./-]{{0,2}}\d){{6,14}}) {RIGHT}"
)
_DATE = verbose(
    r"""(?:0?[1-9]|[12]\d|3[01])(?P<d>[./ -])(?:0?[1-9]|1[0-2])(?P=d)(?:19|20)\d\d | (?:19|20)\d\d[./-]?[01]\d
    | [0-2]?\d[.][0-5]\d[ -]{1,3}[0-2]?\d[.][0-5]\d(?![.\d])
    | [\d ]{0,5}\b\d{1,2}/\d{1,2}/(?:19|20)?\d\d(?![\d/]) | [\d ]{0,4}0{5}"""
)


def phones(text: str) -> Iterator[Span]:
    """Yield telephone numbers: what a word such as "call" leads up to, then what is one by its form."""
    for match in _CALLED.finditer(text):
        if not (_DATE.match(match["number"]) or _named_otherwise(match, "number")):
            yield match.span("number")
    yield from _scan(_PHONE, text, _judge_phone)


def _judge_phone(match: re.Match[str]) -> int:
    if match["world"]:
        good = (number for number in _prefixes(match, 8) if _is_possible(number))
    elif _DATE.match(match[0]) or _named_otherwise(match):
        return 0
    elif match["american"] or match["fiction"]:
        return match.end()
    else:
        good = (number for number in _prefixes(match, 9) if len(_bare(number)) > 8 and _is_valid(number))
    return match.start() + len(number) if (number := next(good, "")) else 0


def _is_possible(number: str) -> bool:
    phonenumbers = import_module("phonenumbers")
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse("+" + _bare(number), None)))
    except phonenumbers.NumberParseException:
        return False


def _is_valid(number: str) -> bool:
    phonenumbers = import_module("phonenumbers")
    digits = _bare(number)
    return any(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)) for region in _REGIONS)

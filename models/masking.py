"""Where personal data stands in a text: one finder per kind, each linear in the length of the text.

A finder is given plain text (`text.py` takes disguise off first) in which whatever is already masked is `BLANK`.
Patterns repeat a bounded number of times or possessively, so that no text can make one slow; what a shape leaves open
is settled by check digits (`stdnum`), by numbering plans (`phonenumbers`) or by the words before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module

Span = tuple[int, int]

# Stands for masked text while the rest is searched. Boundaries treat it like a letter: were it none, masking one thing
# could lay bare another, and masking twice would differ from masking once. `text.py` never passes it in.
BLANK = "\x7f"
# Not inside a code (BX-7714-0092), a path or a longer number. Word characters are ASCII ones only, as Chinese and Thai
# put numbers right behind a letter.
_LEFT = r"(?<![\w\x7f#@$&=+*])(?<![\w\x7f][-/])(?<![\d\x7f][.,:])"
_RIGHT = r"(?![\w\x7f%])(?![-/.,:]?[\d\x7f])(?![-/]\w)"


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII | re.IGNORECASE | re.VERBOSE)


def _bare(text: str) -> str:
    return re.sub(r"\D", "", text)


# ---- secrets, pages, mail boxes, machines ---------------------------------------------------------------------------

_SECRET = _compile(
    r"""(?<![\w\x7f]) (?: eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]++)? | (?:sk|pk|rk)[_-](?:(?:live|test|ant|proj)[_-])?[a-z0-9]{16,}+[\w-]*+
    | gh[pousr]_\w{20,}+ | github_pat_\w{20,}+ | AKIA[0-9A-Z]{16}(?!\w) | xox[abprs]-[\w-]{10,}+ | AIza[\w-]{30,}+ )"""
)
_ALNUM = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_URL = _compile(r"(?: :// | \bwww\. | \.[a-z]{2,12}/ ) [^\s<>\"\[\]\x7f]++")
_OPAQUE = _compile(  # a token, a session, a UUID; not "how-to-return-an-order-2024"
    r"(?<![0-9a-z]) (?: [0-9a-z]{32} | (?=[a-z]{0,15}\d)(?=\d{0,15}[a-z])[0-9a-z]{16} | [0-9a-f]{8}-[0-9a-f]{4}- )"
)
_LETTERS = "\u00df-\u024f\u0370-\u052f"  # as far as disguise did not turn them into ASCII ones
_LOCAL = _ALNUM + "._%+'~!-" + "".join(map(chr, (*range(0xDF, 0x250), *range(0x370, 0x530))))
_AT = _compile(rf"@ (?:[a-z0-9{_LETTERS}-]{{1,63}}+\.){{1,8}} [a-z{_LETTERS}]{{2,24}}")
_IPV4 = _compile(rf"{_LEFT} (?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){{3}} (?:25[0-5]|2[0-4]\d|1?\d?\d) {_RIGHT}")
_IPV6 = _compile(r"(?<![\w:.\x7f]) (?:[0-9a-f]{0,4}:){2,7}+ (?:[0-9a-f]{1,4}+)? (?![\w:\x7f])")
_COUNTED = _compile(r"\b (?:v|ver\w*|release|firmware|build|driver|section|chapter|clause|art\w*) [\s.:(]* \Z")


def _secrets(text: str) -> Iterator[Span]:
    return (match.span() for match in _SECRET.finditer(text))


def _urls(text: str) -> Iterator[Span]:
    """Yield addresses that carry something of one person: a query, a fragment, a login or a token."""
    floor = 0
    for match in _URL.finditer(text):
        start = floor + len(text[floor : match.start()].rstrip(_ALNUM + ".+-"))
        floor = match.end()
        url = text[start:floor].rstrip(".,;:!?)'}")
        rest = url.split("://", 1)[-1]
        if any(mark in rest for mark in "?#@") or _OPAQUE.search(rest):
            yield start, start + len(url)


def _emails(text: str) -> Iterator[Span]:
    floor = 0
    for match in _AT.finditer(text) if "@" in text else ():
        before = text[floor : match.start()]
        local = before[len(before.rstrip(_LOCAL)) :].lstrip("._%+'~!-")
        floor = match.end()
        if local:
            yield match.start() - len(local), floor


def _ips(text: str) -> Iterator[Span]:
    for match in _IPV4.finditer(text):
        if not _COUNTED.search(_words_before(text, match.start())):
            yield match.span()
    for match in _IPV6.finditer(text) if text.count(":") > 1 else ():
        groups = [group for group in match[0].split(":") if group]
        whole = len(groups) == 8 and "::" not in match[0]
        shortened = 2 < len(match[0]) and match[0].count("::") == 1 and len(groups) < 8 and ":::" not in match[0]
        if (whole or shortened) and max(map(len, groups), default=0) > 2 and any(map(str.isdigit, match[0])):
            yield match.span()


# ---- what the words before a number call it -------------------------------------------------------------------------

_SINCE = re.compile(r"[^\d\x7f\n]*\Z")
_OTHER = _compile(
    r"""\b (?: orders? | booking | reserv\w* | ref\w* | case | claim | ticket | track\w* | parcel | package | shipment | account
    | acct? | customer | client\w* | member\w* | policy | contract | invoice | bill | serial | model | sku | item | product
    | isbn | ean | vin | tag | trip | rental | transaction | txn | transfer | student | meter | job | file | folder | voucher
    | coupon | code | id | konto\w* | imei | pcn | batch | lot | pedido | bestell\w* | best | auftrag\w* | kunden\w* | vertrag\w*
    | rechnung\w* | sendung\w* | vorgang\w* | schaden\w* | mitglied\w* | \w{0,20}zeichen | commande | dossier | contrat\w*
    | facture | suivi | colis | ordine | pratica | fattura | spedizione | polis\w* | klant\w* | factuur\w* | zending | protocol\w*
    | fatura | encomenda | guia | envio | poliza | factura | exp | apolice | servicio | instalac\w* | cuenta | conta ) \b
    [\s.:\#-]* (?: (?: no | nr | n | num\w* | nummer | is | was | es | ist | est | id | code | ref\w* ) \b [\s.:\#-]* ){0,3} \Z"""
)
_PHONE_WORDS = r"""(?: tele? | telef\w* | (?:tele)?phone(?:'s)? | mob | mobil\w* | movil | handy\w* | cell? | cellulare | celular | fax
    | gsm | natel | sms | whats\W?app | viber | (?:hot|land)line | call(?:back)? | ring | dial | text\ me | contact\ n\w* | reach
    | ruf\w* | anruf\w* | appel(?:er|ez) | rappel(?:er|ez) | joindre | joignable | llam[ae]\w* | marcar | lig[ au]\w* | chiamar?\w*
    | bel | bellen | bereik\w* | m(?:y|ijn|on|eu|i|io)\ num\w* | m(?:ijn|eine)\ nummer )"""


def _words_before(text: str, start: int) -> str:
    since = _SINCE.search(text, max(0, start - 40), start)
    return since[0] if since else ""


# ---- accounts, cards, national numbers ------------------------------------------------------------------------------

_IBAN = _compile(rf"{_LEFT} [a-z]{{2}}\d{{2}} (?:[ -]?[a-z0-9]){{11,30}} (?![\w\x7f])")
_CARD = _compile(
    rf"""{_LEFT} (?: \d{{4}}(?P<gap>[ -])\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{4}}(?:(?P=gap)\d{{1,3}})?
    | 3\d{{3}}[ -]\d{{6}}[ -]\d{{4,5}} | \d{{13,19}} | \d(?:[ -]?\d){{12,18}} ) {_RIGHT}"""
)
_ISSUED = re.compile(r"4|5[0-8]|2[2-7]|6|3[4-689]|30")  # first digits that card issuers use
# Every national number: the `stdnum` module that checks it, its shape, and the word it must stand near where the shape
# is that of any order number. Adding one is adding a row.
_NATIONAL = (
    ("us.ssn", r"\d{3}-\d{2}-\d{4}", ""),
    ("us.itin", r"9\d{2}-\d{2}-\d{4}", ""),
    ("us.ssn", r"\d{3} ?\d{2} ?\d{4}", r"ssn|social security"),
    ("", r"(?!bg|gb|kn|nk|nt|tn|zz)[a-ceghj-prtw-zq][a-ceghj-nprtw-zq] ?\d{2} ?\d{2} ?\d{2} ?[a-d]", ""),  # UK NINO
    ("gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs"),
    ("es.dni", r"\d{8}[ -]?[a-z]|\d{2}\.\d{3}\.\d{3}[ -]?[a-z]", ""),
    ("es.nie", r"[xyz][ -]?\d{7}[ -]?[a-z]", ""),
    ("fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[ab]) ?\d{3} ?\d{3} ?\d{2}", ""),
    ("de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer\S*|idnr|tax id|tin"),
    ("it.codicefiscale", r"[a-z]{6} ?[0-9lmnp-v]{2}[a-z][0-9lmnp-v]{2} ?[a-z][0-9lmnp-v]{3}[a-z]", ""),
    ("nl.bsn", r"\d(?:[ .]?\d){7,8}", r"bsn|burgerservice\w*|sofi\w*"),
    ("be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}", ""),
    ("br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", ""),
    ("br.cpf", r"\d{9}-?\d{2}", r"cpf"),
    ("br.cnpj", r"\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}", ""),
    ("pt.nif", r"\d{3} ?\d{3} ?\d{3}", r"nif|contribuinte"),
    ("ie.pps", r"\d{7}[a-w][a-iw]?", r"ppsn?"),
    ("ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}", ""),
    ("at.vnr", r"\d{4} ?\d{6}", r"svnr|sozialversicherung\w*|sv-n\w*"),
    ("se.personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}", r"personnummer"),
    ("dk.cpr", r"\d{6}-?\d{4}", r"cpr\S*"),
    ("no.fodselsnummer", r"\d{6} ?\d{5}", r"f\S?o?dselsn\w*|personnummer"),
    ("fi.hetu", r"\d{6}[-+a]\d{3}[0-9a-y]", ""),
    ("pl.pesel", r"\d{11}", r"pesel"),
    ("in_.aadhaar", r"\d{4}[ -]?\d{4}[ -]?\d{4}", r"aadhaar|aadhar"),
    ("in_.pan", r"[a-z]{5}\d{4}[a-z]", r"pan"),
    ("ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"sin|social insurance"),
    ("au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", r"tfn|tax file"),
    ("", r"[a-z]{0,3}\d{6,9}", r"pass?ports?|reisepass\w*|pasaporte|passeport|passaporto|passaporte|paspoort\w*|personalausweis\w*"),
)
_SHAPES = [
    (check, _compile(rf"{_LEFT} (?:{shape.replace(' ', '[ ]')}) {_RIGHT}"), _compile(rf"\b(?:{word.replace(' ', '[ ]')})\b"), bool(word))
    for check, shape, word in _NATIONAL
]
_ANY_NAME = _compile("|".join(rf"\b(?:{word.replace(' ', '[ ]')})\b" for _, _, word in _NATIONAL if word))


def _checked(module: str, number: str) -> bool:
    """Return whether `stdnum` finds `number` valid; its modules are loaded when first needed, as each takes 35 ms."""
    return bool(import_module(f"stdnum.{module}").is_valid(number))


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        number = match[0]
        while len(number) >= 15:  # words behind it look like more of it: "... 9268 19 thank you"
            if _checked("iban", number):
                yield match.start(), match.start() + len(number)
                break
            number = number[: max(number.rfind(" "), 0)]


def _cards(text: str) -> Iterator[Span]:
    for match in _CARD.finditer(text):
        grouped = match["gap"] is not None
        for number in (match[0], match[0][:19]) if grouped else (match[0],):
            issued = _ISSUED.match(number)
            # Four groups of four are a card even when mistyped, unless something else is named.
            typed = grouped and len(number) == 19 and not _OTHER.search(_words_before(text, match.start()))
            if issued and (typed or _checked("luhn", _bare(number))):
                yield match.start(), match.start() + len(number)
                break


def _national_numbers(text: str) -> Iterator[Span]:
    named = _ANY_NAME.search(text) is not None
    for check, shape, word, needs_word in _SHAPES:
        for match in shape.finditer(text) if named or not needs_word else ():
            before = _words_before(text, match.start())
            if word.search(before) if needs_word else not _OTHER.search(before):
                if not check or _checked(check, match[0]):
                    yield match.span()


# ---- telephones -----------------------------------------------------------------------------------------------------

_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "PT", "BR", "AT", "CH", "IE", "AU", "IN")
_NATIONAL_FORM = r"""[6-9]\d{2}(?P<a>[ .-])\d{3}(?P=a)\d{3} | 2\d{2}[ ]\d{3}[ ]\d{3} | [6-9]\d{2}(?P<b>[ .-])\d{2}(?P=b)\d{2}(?P=b)\d{2}
    | 3\d{2}[ .-]\d{3}[ .-]?\d{3,4} | \(\d{2}\)[ ]?9?[ ]?\d{4}[- ]\d{4} | \d{2}[ ]9\d{4}[- ]\d{4} | [6-9]\d{4}[ ]\d{5}"""
_PHONE = _compile(
    rf"""{_LEFT} (?: (?P<world>\+[ ]?\(?\d(?:[ .()/-]{{0,3}}\d){{6,14}})
    | (?P<trunk>(?:00[1-9]|\(?0[1-9])(?:[ .()/-]{{0,3}}\d){{7,13}})
    | (?P<us>(?:1[-. ])?(?:\(\d{{3}}\)[ ]?|\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}})
    | (?P<fiction>555[-. ]\d{{4}}|555(?P<c>[ -])\d{{3}}(?P=c)\d{{3}})
    | (?P<national>{_NATIONAL_FORM}) ) {_RIGHT}"""
)
_CALL = _compile(rf"\b{_PHONE_WORDS}\b\.?[^\d\x7f\n.!?;]{{0,25}}?(?P<number>(?<![\#$])\(?\d(?:[ .()/-]{{0,2}}\d){{6,12}}) {_RIGHT}")
_DATE = _compile(
    r"(?:0?[1-9]|[12]\d|3[01])(?P<d>[./ -])(?:0?[1-9]|1[0-2])(?P=d)(?:19|20)\d\d | (?:19|20)\d\d[./-]\d\d | [0-2]?\d[.][0-5]\d[ -]+[0-2]?\d[.][0-5]\d(?![.\d])"
)
_GROUP = re.compile(r"[+(\s]*\d+")
# One doubtful number costs up to a millisecond of `phonenumbers`. Past this many in one text, doubt means masking.
_DOUBTS = 200


def _possible(number: str) -> bool:
    phonenumbers = import_module("phonenumbers")
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse("+" + _bare(number), None)))
    except phonenumbers.NumberParseException:
        return False


def _in_a_plan(number: str) -> bool:
    phonenumbers = import_module("phonenumbers")
    digits = _bare(number)
    return any(phonenumbers.is_valid_number(phonenumbers.parse(digits, region)) for region in _REGIONS)


def _is_phone(kind: str, number: str, before: str) -> bool:
    if kind == "world":
        return _possible(number)
    if _OTHER.search(before) or _DATE.match(number):
        return False
    return kind in ("us", "fiction") or (len(_bare(number)) >= 9 and _in_a_plan(number))


def _phones(text: str) -> Iterator[Span]:
    for match in _CALL.finditer(text):
        start = match.start("number")
        if not (_OTHER.search(_words_before(text, start)) or _DATE.match(match["number"])):
            yield match.span("number")


def _numbers_like_phones(text: str) -> Iterator[Span]:
    position, doubts = 0, 0
    while match := _PHONE.search(text, position):
        before, number = _words_before(text, match.start()), match[0]
        kind = next(name for name in ("world", "trunk", "us", "fiction", "national") if match[name])
        while number:
            doubts += kind not in ("us", "fiction")
            if doubts > _DOUBTS or _is_phone(kind, number, before):
                yield match.start(), match.start() + len(number)
                break
            # What follows may be no part of it: "020 7946 0958 24/7".
            shorter = number[: max(number.rfind(" "), 0)]
            number = shorter if len(_bare(shorter)) >= 8 else ""
        group = _GROUP.match(match[0])
        position = match.start() + (len(number) or (group.end() if group else 1))


# ---- all of it ------------------------------------------------------------------------------------------------------

Finder = Callable[[str], Iterable[Span]]
# In this order: what comes first wins, so the kinds that hold other kinds and those with check digits lead.
FINDERS: Mapping[str, tuple[Finder, ...]] = {
    "SECRET": (_secrets,), "URL": (_urls,), "EMAIL": (_emails,), "IP": (_ips,), "IBAN": (_ibans,), "CARD": (_cards,),
    "ID": (_national_numbers,), "PHONE": (_phones, _numbers_like_phones),
}  # fmt: skip
PLACEHOLDERS = tuple(f"[{label}]" for label in FINDERS)
_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS)))
_SIX_DIGITS = re.compile(r"\d(?:[ ().\-/]{0,3}\d){5}|[A-Za-z]\d\d[A-Za-z]", re.ASCII)
_ROUNDS = 8


def _blank(text: str, spans: Iterable[Span]) -> str:
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], BLANK * (stop - start)]
        end = stop
    return "".join(pieces) + text[end:]

"""Each kind of personal data is found, and what only looks like it is left."""

from __future__ import annotations

import json
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import masking, numbers, text
from models.text import mask

STARTER = Path(__file__).parents[2] / "data" / "starter"

PERSONAL = {
    "EMAIL": [
        "bob@example.com",
        "jose.maria+shop@mail.exámple.co.uk",
        "o'neill_99@sub-domain.example.org",
        "josé@example.com",
        "почта@пример.рф",
    ],
    "PHONE": [
        "+49 30 901820",
        "+49 (0)30 901820",
        "+442079460958",
        "0044 20 7946 0958",
        "020 7946 0958",
        "07700 900123",
        "(0711) 1234567",
        "06 12 34 56 78",
        "01.42.68.53.00",
        "612 345 678",
        "333 123 4567",
        "06-12345678",
        "(11) 98765-4321",
        "0412 345 678",
        "+90 555 010 4471",
        "(+49) 30 901820",
        "+1 (212) 555-0142",
        "(212) 736-5000",
        "212-736-5000",
        "1-800-555-0199",
        "555-0142",
        "555 0142",
        "555 018 663",
        "(555) 011-7742",
    ],
    "CARD": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555 5555 5555 4444",
        "378282246310005",
        "3782 822463 10005",
        "4000 1234 5678 9010",  # fails Luhn: a slip of the finger in one's own card number
    ],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "fr14 2004 1010 0505 0001 3m02 606"],
    "ID": [
        "123-45-6789",
        "AB 12 34 56 C",
        "AB123456C",
        "12345678Z",
        "12.345.678-Z",
        "X1234567L",
        "1 85 05 78 006 084 91",
        "RSSMRA85T10A562S",
        "390.533.447-05",
        "11.222.333/0001-81",
        "756.9217.0769.85",
    ],
    "IP": ["192.168.1.20", "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a"],
    "URL": [
        "https://acme.com/reset?token=abc",
        "http://user:pw@acme.com/",
        "https://acme.com/account#session",
        "https://acme.com/s/9f8a7b6c5d4e3f2a1b0c",
        "https://acme.com/o/123e4567-e89b-12d3-a456-426614174000",
        "www.acme.com/login?user=bob",
        "acme.com/reset?token=abc",
    ],
    "SECRET": [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "AKIA" + "IOSFODNN7EXAMPLE",
    ],
}

NAMED = [
    ("my BSN is 111222333", "my BSN is [ID]"),
    ("Steuer-ID: 36 574 261 809", "Steuer-ID: [ID]"),
    ("CPF 39053344705", "CPF [ID]"),
    ("NHS number 943 476 5919", "NHS number [ID]"),
    ("passport no. X1234567", "passport no. [ID]"),
    ("call me on 5550142 please", "call me on [PHONE] please"),
    ("Mi móvil: 612345678", "Mi móvil: [PHONE]"),
    ("Handy 0155 550 1190", "Handy [PHONE]"),
    ("020 7946 0958 24/7", "[PHONE] 24/7"),
    ("call 5550142 (24 hours)", "call [PHONE] (24 hours)"),
    ("flat 12 020 7946 0958", "flat 12 [PHONE]"),
    ("DE89 3704 0044 0532 0130 00 thanks", "[IBAN] thanks"),
    ("4111 1111 1111 1111 555-0142", "[CARD] [PHONE]"),
    ("4111 1111 1111 1111 123 is mine", "[CARD] 123 is mine"),
    ("从 bob@example.com谢谢", "从 [EMAIL]谢谢"),
    ("from 192.168.1.20:8080", "from [IP]:8080"),
]

HARMLESS = [
    "order 20-88134", "order 4471902", "Order 663-2810-4", "pedido 5550-8842", "Tracking no. is BX-7714-0092",
    "order 111222333", "36574261809", "12345678", "20240501", "Ticket 900-5550198", "The tag is 0220-338871",
    "guía 555-120-887", "Kundennummer 5550 8143", "Vertrag 555-90-118", "claim HC-204817", "phone order 4471902",
    "pedido de nº 02-670489302", "recebi 01 00000092", "1Z999AA10123456784", "9400 1000 0000 0000 0000 00",
    "$1,234.56", "1.250.000 EUR", "£480", "0.291 and 0.297", "24/7", "10-12 days", "9:30-17:00", "12:30:45",
    "2024-05-01 10:30", "01/02/2024 10 Uhr", "01.02.2024", "04/10/21 1345", "19/11/1943", "call between 10.00-12.00",
    "call me before 2024-12-01", "2019-2023", "version 1.2.3.4", "1.2.3", "1.2.3.4.5", "300.1.1.1", "std::vector",
    "@brindlecom hey", ".@Ironfoldgym took it", "a @ b", "follow @acme.", "https://acme.com/help", "www.acme.com",
    "https://acme.com/how-to-return-an-order-2024", "see https://acme.com/help?", "the debt.On/off",
    "[email] [phone] XXXX XXXX", "[EMAIL] [PHONE] [CARD]", "XX/XX/2019", "card ending 5512", "",
]  # fmt: skip

DISGUISED = [
    ("b\u200bob@exam\u00adple.com", "EMAIL"),
    ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", "EMAIL"),
    ("bоb@exаmple.cоm", "EMAIL"),  # Cyrillic о and а
    ("５５５－０１４２", "PHONE"),
    ("555\u200b-\u206001\ufeff42", "PHONE"),
    ("٥٥٥-٠١٤٢", "PHONE"),
    ("5̶5̶5̶-̶0̶1̶4̶2̶", "PHONE"),
    ("555–0142", "PHONE"),
    ("+49\u00a030\u00a0901820", "PHONE"),
    ("4111\u200b1111\u200b1111\u200b1111", "CARD"),
    ("𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏", "CARD"),
    ("40000000000О0002", "CARD"),  # Cyrillic О for zero
    ("ＤＥ８９ 3704 0044 0532 0130 00", "IBAN"),
    ("АВ 12 34 56 С", "ID"),  # Cyrillic capitals
    ("https:\u200b//acme.com/reset?tok\u00aden=abc", "URL"),
]


@pytest.mark.parametrize(("label", "personal"), [(label, one) for label, many in PERSONAL.items() for one in many])
@pytest.mark.parametrize("frame", ["{}", "Hello, {}. Thanks", "({})\nBob", "reach me: {}!"])
def test_personal_data_becomes_its_placeholder(label: str, personal: str, frame: str) -> None:
    assert mask(frame.format(personal)) == frame.format(f"[{label}]")


@pytest.mark.parametrize(("written", "masked"), NAMED)
def test_words_around_a_number_settle_it(written: str, masked: str) -> None:
    assert mask(written) == masked


@pytest.mark.parametrize("harmless", HARMLESS)
def test_what_only_looks_personal_is_left(harmless: str) -> None:
    assert mask(harmless) == harmless


@pytest.mark.parametrize(("disguised", "label"), DISGUISED)
def test_disguise_saves_nothing_and_the_rest_keeps_its_characters(disguised: str, label: str) -> None:
    around = "Ça coûte 5\u00a0€, naïve \u200bсаncеl “ok”"
    assert mask(f"{around} ({disguised}) {around}") == f"{around} ([{label}]) {around}"


def test_starter_corpus_keeps_its_counts() -> None:
    """Every masked span was looked at by a person when these numbers were written down."""
    texts = [
        json.loads(line)["text"]
        for path in sorted(STARTER.glob("part_*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    found = Counter(re.findall(r"\[([A-Z]+)\]", "\n".join(mask(one) for one in texts)))
    assert {label: found[label] for label in masking.FINDERS if found[label]} == {"EMAIL": 72, "PHONE": 98, "CARD": 7}


FRAGMENTS = [one for many in PERSONAL.values() for one in many] + [one for one, _ in NAMED + DISGUISED] + HARMLESS
JOINTS = [
    " ",
    "",
    "\n",
    "-",
    ".",
    "/",
    ":",
    "@",
    "+",
    "(",
    "[",
    "]",
    "1",
    "0",
    "55",
    "a",
    "é",
    "\x7f",
    "\u200b",
    "call ",
    "BSN ",
]
SOUP = st.lists(st.sampled_from(FRAGMENTS + JOINTS * 5) | st.text(max_size=4), max_size=12).map("".join)


@given(SOUP)
def test_masking_twice_is_masking_once(soup: str) -> None:
    once = mask(soup)
    assert mask(once) == once


@given(st.text(st.characters(categories=["Cs", "Cc", "Cf", "Nd", "Lo", "Po", "Sm"]), max_size=40))
def test_no_text_can_break_it(anything: str) -> None:
    assert mask(mask(anything)) == mask(anything)


CHARACTERS = 100_000
SEEDS = [
    "a", "1", "1 ", "a.", "@", "a@", ".", ":", "-", "+1 ", "http://", "www.", "01 ", "+49 30 ", "4111 ", "aa11 ",
    "DE89 ", "a@a.", "1.1.", "1:", "call ", "eyJ", "?a=", "12-", "(", "0(", "12345678A ", "[", "é", "О", "\u200b",
    "1\u200b", "order ", " ", "1.2.3.4", "sk_", "\x7f", "ref no ", "0123456789 ",
]  # fmt: skip
ALPHABETS = ["01 ", "0123456789 -.()+/", "a@.-1", "abcf0123:", "[]1 -", "ABCDEFXYZ0123456789 "]


def hostile() -> list[str]:
    draw = random.Random(7)
    return [(seed * CHARACTERS)[:CHARACTERS] for seed in SEEDS] + [
        "".join(draw.choices(alphabet, k=CHARACTERS)) for alphabet in ALPHABETS
    ]


@pytest.fixture
def watchdog() -> Iterator[None]:
    """Stop what takes minutes: all of it takes about a second, and a pattern of quadratic cost takes hours."""

    def bark(signum: int, frame: FrameType | None) -> None:
        raise TimeoutError("a pattern takes more than linear time; see benchmarks/masking.py for which")

    previous = signal.signal(signal.SIGALRM, bark)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def compiled(module: object) -> list[re.Pattern[str]]:
    return [value for value in vars(module).values() if isinstance(value, re.Pattern)]


PATTERNS = (
    compiled(masking) + compiled(numbers) + compiled(text) + [shape for _, shape, _ in numbers._national_patterns()]
)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:20])
def test_each_pattern_is_linear(pattern: re.Pattern[str], watchdog: None) -> None:
    for body in hostile():
        for _ in pattern.finditer(body):
            pass


@pytest.mark.slow
def test_masking_is_linear(watchdog: None) -> None:
    for body in hostile():
        mask(body)


def test_doubt_about_many_numbers_means_masking() -> None:
    """Past the hundredth of a kind nobody asks for check digits or numbering plans, which would take seconds."""
    wrong = "DE00 3704 0044 0532 0130 00"
    assert "[IBAN]" not in mask(wrong)
    assert mask("\n".join([wrong] * 150)).count("[IBAN]") == 50

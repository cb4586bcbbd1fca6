"""Lines, and those too long to be parsed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feedback.readers import jsonlines
from pipeline.feedback.readers.jsonlines import lines, parse

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def in_blocks(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def test_a_line_ends_at_a_line_feed_alone() -> None:
    text = '{"a": "\u2028\x85"}\r\n \t\r\n\n{"b": 1}'
    for size in (1, 3, 100):
        assert list(lines(in_blocks(text, size))) == ['{"a": "\u2028\x85"}\r', '{"b": 1}']


@given(st.dictionaries(st.text().filter(lambda key: "\0" not in key), json_values), st.booleans())
def test_every_object_is_read_back(value: dict[str, object], plain: bool) -> None:
    found, fault, _ = parse(json.dumps(value, ensure_ascii=plain))
    assert fault == ("nul_char" if "\\u0000" in json.dumps(value) and "\0" in repr_strings(value) else None)
    assert fault or found == value


def repr_strings(value: object) -> str:
    if isinstance(value, dict):
        return "".join(map(repr_strings, [*value, *value.values()]))
    if isinstance(value, list):
        return "".join(map(repr_strings, value))
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "' + "x" * 9000 + '"}', "text_too_long"),
        ('{"text": "' + "x" * 9000 + '"}  \r', "text_too_long"),
        ('[{"text": "' + "x" * 9000 + '"}]', "malformed_record"),
        ('{"text": "' + "x" * 9000, "malformed_record"),
        ('{"text": "' + "x" * 9000 + '\udcff"}', "bad_encoding"),
        ('{"text": "' + r"\ud83d" * 1500 + '"}', "bad_encoding"),
        ('{"text": "' + r"\ud83d\ude42" * 900 + '"}', "text_too_long"),
        ('{"text": "' + r"\\ud83d" * 1500 + '"}', "text_too_long"),
        ('{"text": "' + "x" * 9000 + r"\uDC00" + '"}', "bad_encoding"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 64, 5000, 10**6])
def test_a_line_too_long_to_be_parsed_is_judged_in_pieces(
    line: str, reason: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonlines, "LONGEST_LINE", 1000)
    first, giant, last = lines(in_blocks(f'{{"a": 1}}\n{line}\n{{"b": 2}}\n', size))
    assert (first, last) == ('{"a": 1}', '{"b": 2}')
    if not isinstance(giant, str):  # a block of a million characters holds the line whole, so it is parsed
        assert parse(giant)[1] == reason

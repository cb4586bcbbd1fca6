"""One row, one reason: each of them, and which comes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.feedback.record import ROW_REASONS

Read = Callable[..., Any]

CSV = "id,text,created_at,rating,nps,customer_value,reach\n"


def csv_row(**cells: str) -> str:
    row = {"id": "1", "text": "late", "created_at": "", "rating": "", "nps": "", "customer_value": "", "reach": ""}
    return ",".join((row | cells).values()) + "\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CSV.encode() + b"1,l\xe9te,,,,,\n", "bad_encoding"),
        (CSV.encode() + b"1,\xed\xa0\x80,,,,,\n", "bad_encoding"),
        (CSV + "1,late\n", "malformed_record"),
        (CSV + csv_row().strip() + ",more\n", "malformed_record"),
        (CSV + csv_row(text='"late" again'), "malformed_record"),
        (CSV + csv_row(text='"late'), "malformed_record"),
        (CSV + csv_row(text="la\0te"), "nul_char"),
        (CSV + csv_row(id=" \u2800"), "missing_id"),
        (CSV + csv_row(text="\u200b\u3164 "), "empty_text"),
        (CSV + csv_row(text="x" * 1_000_001), "text_too_long"),
        (CSV + csv_row(text=" " * 1_000_001 + "x"), "text_too_long"),
        (CSV + csv_row(created_at="2026-02-30"), "bad_created_at"),
        (CSV + csv_row(rating="6"), "bad_rating"),
        (CSV + csv_row(rating="five"), "bad_rating"),
        (CSV + csv_row(nps="-1"), "bad_nps"),
        (CSV + csv_row(nps="1_0"), "bad_nps"),
        (CSV + csv_row(customer_value="-0.01"), "bad_value"),
        (CSV + csv_row(reach="inf"), "bad_value"),
        (CSV + csv_row(reach="1e999"), "bad_value"),
    ],
)
def test_a_csv_row_is_rejected(content: str | bytes, reason: str, read_text: Read) -> None:
    out = read_text(content)
    assert out.rejects == [(1, reason)]
    assert out.rows == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (r'{"id": "1", "text": "\ud800"}', "bad_encoding"),
        (r'{"id": "1", "text": "\udc00\ud800"}', "bad_encoding"),
        (r'{"id": "1", "text": "late", "x\ud800": 1}', "bad_encoding"),
        (r'{"id": "1", "text": "\ud800", }', "bad_encoding"),
        ('{"id": "1", "text": NaN}', "malformed_record"),
        ('{"id": "1", "text": "late", "nps": -Infinity}', "malformed_record"),
        ("{'id': '1', 'text': 'late'}", "malformed_record"),
        ('{"id": "1", "text": "late",}', "malformed_record"),
        ('{"id": "1", "text": "la\tte"}', "malformed_record"),
        ('{"id": "1", "text": "la\0te"}', "malformed_record"),
        ('{"id": "1", "text": "late"} {}', "malformed_record"),
        ('["id", "text"]', "malformed_record"),
        ('"late"', "malformed_record"),
        (r'{"id": "1", "text": "late", "te\u0078t": "late"}', "malformed_record"),
        ('{"id": "1", "text": "late", "more": ' + "[" * 64 + "]" * 64 + "}", "malformed_record"),
        ('{"id": "1", "text": "late", "more": ' + "[" * 9999 + "]" * 9999 + "}", "malformed_record"),
        ('{"id": "1", "text": "late", "more": ' + "1" * 4301 + "}", "malformed_record"),
        ('{"id": "1", "text": "late", "more": 0.' + "1" * 4300 + "}", "malformed_record"),
        (r'{"id": "1", "text": "la\u0000te"}', "nul_char"),
        (r'{"id": "1", "text": "late", "more": [{"a\u0000": 1}]}', "nul_char"),
        ('{"id": true, "text": "late"}', "missing_id"),
        ('{"id": 1.0, "text": "late"}', "missing_id"),
        ('{"id": null, "text": "late"}', "missing_id"),
        ('{"text": "late"}', "missing_id"),
        ('{"id": "1"}', "missing_text"),
        ('{"id": "1", "text": null}', "missing_text"),
        ('{"id": "1", "text": 5}', "missing_text"),
        ('{"id": "1", "text": ["late"]}', "missing_text"),
        ('{"id": "1", "text": ""}', "empty_text"),
        ('{"id": "1", "text": "late", "created_at": 20260131}', "bad_created_at"),
        ('{"id": "1", "text": "late", "rating": true}', "bad_rating"),
        ('{"id": "1", "text": "late", "nps": [5]}', "bad_nps"),
        ('{"id": "1", "text": "late", "reach": 1e999}', "bad_value"),
        ('{"id": "1", "text": "late", "reach": 1' + "0" * 400 + "}", "bad_value"),
    ],
)
def test_a_json_line_is_rejected(line: str, reason: str, read_text: Read) -> None:
    first = '{"id": "first", "text": "so that the file has ids"}\n'
    out = read_text(first + line + "\n", "dump.jsonl")
    assert out.rejects == [(2, reason)]
    assert len(out.rows) == 1


@pytest.mark.parametrize(
    "line",
    [
        r'{"id": "1", "text": "\ud83d\ude42 and \\ud800"}',
        '{"id": "1", "text": "late", "more": ' + "[" * 63 + "]" * 63 + "}",
        '{"id": "1", "text": "late", "more": ' + "1" * 4300 + "}",
        r'{"id": "1", "text": "a backslash and \\u0000"}',
        '{"id": 7, "text": "late", "nps": null, "created_at": ""}\r',
        '{"id": "1", "text": "late", "more": {"a": 1, "a": 2}}',
        '  {"id": "1", "text": "\u2028\x7f[{[{", "nps": " 7e0 "}',
    ],
)
def test_a_json_line_is_accepted(line: str, read_text: Read) -> None:
    assert read_text(line + "\n", "dump.jsonl").rejects == []


def test_a_row_gets_the_first_reason_that_applies(read_text: Read) -> None:
    """Take the faults of a row away one by one, in the order of the reasons."""
    cells = {"id": "", "text": "", "created_at": "x", "rating": "x", "nps": "x", "customer_value": "x"}
    expected = [reason for reason in ROW_REASONS[3:] if reason not in ("missing_text", "text_too_long", "duplicate_id")]
    lines = []
    for mended in [None, *cells]:
        if mended:
            cells[mended] = {"id": "first", "text": "late"}.get(mended, "")
        lines.append(csv_row(**cells))
    out = read_text(CSV + csv_row(id="first") + "".join(lines))
    assert [reason for _, reason in out.rejects] == [*expected, "duplicate_id"]


def test_encoding_comes_before_structure_and_structure_before_nul(read_text: Read) -> None:
    out = read_text(b"text,id\n\xff\0,1,2\nla\0te,1,2\nla\0te,\n")
    assert [reason for _, reason in out.rejects] == ["bad_encoding", "malformed_record", "nul_char"]


def test_a_rejected_row_does_not_take_its_id(read_text: Read) -> None:
    out = read_text("id,text\n1,\n1,late\n 1 ,again\n")
    assert out.rejects == [(1, "empty_text"), (3, "duplicate_id")]


def test_ids_are_compared_by_code_point(read_text: Read) -> None:
    out = read_text("id,text\né,late\ne\u0301,late\nÉ,late\n1,late\n01,late\n")
    assert out.rejects == []
    assert out.ids == ["é", "e\u0301", "É", "1", "01"]


def test_words_that_look_like_values_are_words(read_text: Read) -> None:
    words = ["NA", "null", "None", "nan", "TRUE", "007", "1e5", "#N/A", "-"]
    out = read_text("id,text,channel\n" + "".join(f"{word},{word},{word}\n" for word in words))
    assert out.ids == out.texts == [row["channel"] for row in out.rows] == words


def test_a_json_file_has_ids_if_its_first_valid_object_has(read_text: Read) -> None:
    with_ids = read_text('[]\n{"id": "1", "text": "a"}\n{"text": "b"}\n', "dump.jsonl")
    assert with_ids.rejects == [(1, "malformed_record"), (3, "missing_id")]
    without = read_text('{"text": "a"}\n{"id": "1", "text": "b"}\n{"id": "1", "text": "c"}\n', "dump.jsonl")
    assert without.rejects == []
    assert len(set(without.ids)) == 3


@pytest.mark.parametrize(
    ("worst", "best", "rating", "nps"),
    [(1, 5, "1", 0.0), (1, 5, "5", 10.0), (1, 5, "4", 7.5), (5, 1, "1", 10.0), (6, 1, "6", 0.0), (0, 100, "55", 5.5)],
)
def test_a_rating_becomes_an_nps(worst: float, best: float, rating: str, nps: float, read_text: Read) -> None:
    out = read_text(f"text,rating\nlate,{rating}\n", rating_min=worst, rating_max=best)
    assert out.rows[0]["nps"] == pytest.approx(nps)


def test_a_known_nps_outranks_the_rating(read_text: Read) -> None:
    out = read_text("text,rating,nps\nlate,5,3\nlate,5,\nlate,,\n")
    assert [row["nps"] for row in out.rows] == [3.0, 10.0, None]


def test_free_values_become_text_and_never_a_reason(read_text: Read) -> None:
    line = '{"text": "late", "channel": 7, "lang": " de ", "industry": ["a"], "customer_id": true}\n'
    (row,) = read_text(line, "dump.jsonl").rows
    assert [row[key] for key in ("channel", "lang", "industry", "customer_id")] == ["7", "de", None, "true"]

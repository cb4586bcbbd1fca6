"""Records of delimiter-separated text, whatever the quotes, the line ends and the blocks are."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.feedback.encoding import decoded
from pipeline.feedback.readers.splitting import split


def in_blocks(content: str | bytes, size: int) -> Iterator[Any]:
    return (content[start : start + size] for start in range(0, len(content), size))


def records(text: str, size: int = 65536, delimiter: str = ",") -> list[tuple[list[str], str | None]]:
    return [(list(fields), fault) for fields, fault, _ in split(in_blocks(text, size), delimiter)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\r\n1,2\r3,4\n5,6", [["a", "b"], ["1", "2"], ["3", "4"], ["5", "6"]]),
        ('a,b\n"x,\r\ny","say ""no"""\n', [["a", "b"], ["x,\r\ny", 'say "no"']]),
        ("a,b\n\n\r\n\r\r1,2\n\n", [["a", "b"], ["1", "2"]]),
        ('a,b\n5" screen,it"s\n', [["a", "b"], ['5" screen', 'it"s']]),
        ('a,b\n "x" ,\n,\n', [["a", "b"], [' "x" ', ""], ["", ""]]),
        ('a\n""\n \n', [["a"], [""], [" "]]),
        ('a,b\n"",""""\n', [["a", "b"], ["", '"']]),
        ("a,b\n1,\u2028\x0b\x0c\x85\x1c\n", [["a", "b"], ["1", "\u2028\x0b\x0c\x85\x1c"]]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 65536])
def test_records_are_cut_as_rfc_4180_says(text: str, expected: list[list[str]], size: int) -> None:
    assert records(text, size) == [(fields, None) for fields in expected]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ('a,b\n"x"y,2\n3,4\n', ["malformed_record", None]),
        ('a,b\n"x" ,2\n3,4\n', ["malformed_record", None]),
        ('a,b\n"x"y"z,2\n3,4\n', ["malformed_record", None]),
        ('a,b\n1,2\n"3,4\n5,6\n', [None, "malformed_record"]),
        ('a,b\n1,"\n', ["malformed_record"]),
        ("a,b\n1\n1,2,3\n1,2\n", ["malformed_record", "malformed_record", None]),
        ('a,b\n"x\0"y,2\n1,\0\n', ["malformed_record", "nul_char"]),
        ('a,b\n"\udcff"y,2\n1,\udcff\0\n', ["bad_encoding", "bad_encoding"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 65536])
def test_malformed_records_are_told_apart_from_their_neighbours(text: str, faults: list[str | None], size: int) -> None:
    assert [fault for _, fault in records(text, size)[1:]] == faults


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@settings(max_examples=60)
@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=5), st.sampled_from([",", "\t"]))
def test_what_the_csv_module_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    # The csv module quotes a line end only where it is part of its own.
    for end, quoting in [("\r\n", csv.QUOTE_MINIMAL), ("\n", csv.QUOTE_ALL), ("\r", csv.QUOTE_ALL)]:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
        for size in (1, 7, 65536):
            assert records(stream.getvalue(), size, delimiter) == [(row, None) for row in rows]


@given(st.lists(st.sampled_from(['"', ",", "\n", "\r", "a", "é", "\0", "\udcff", '""', '",', '\n"'])).map("".join))
def test_the_size_of_the_blocks_makes_no_difference(text: str) -> None:
    text = "a,b\n" + text
    whole = records(text)
    for size in (1, 2, 7):
        assert records(text, size) == whole


@given(st.binary(max_size=200), st.sampled_from([1, 2, 3, 7]))
def test_bytes_that_are_no_utf8_stay_in_their_place(content: bytes, size: int) -> None:
    text = "".join(decoded(in_blocks(content, size)))
    assert text == "".join(decoded([content]))
    assert text.encode(errors="surrogateescape") in (content, content.removeprefix(b"\xef\xbb\xbf"))


@pytest.mark.parametrize("filling", ["x", '""', ",", "\n", '"",'])
def test_an_open_quote_takes_linear_time_and_no_memory(filling: str) -> None:
    block = filling * (2**18 // len(filling))
    started = time.process_time()
    *_, (fields, fault, size) = split(['a,b\n1,2\n3,"', *[block] * 40], ",")
    assert fault == "malformed_record"
    assert size > 40 * len(block)
    assert sum(map(len, fields)) <= 1_000_010
    assert time.process_time() - started < 5


def test_a_giant_field_that_is_closed_is_a_field() -> None:
    blocks = ['note,text\n"', *["x" * 2**18] * 8, '",late\n', '"', *[" " * 2**18] * 8, 'x",late\n']
    _, (first, fault, _), (second, second_fault, _) = split(blocks, ",")
    assert (fault, second_fault) == (None, None)
    assert (len(first[0]), first[1]) == (1_000_001, "late")
    assert second[0].strip() == "x"  # not empty, and too long

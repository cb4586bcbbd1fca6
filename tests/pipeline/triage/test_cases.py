"""Cases: who leads, and how the first few are found while rows stream by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.triage.cases import MOST_TEXTS, CaseTexts, Leaders, case_key
from pipeline.triage.publish import cell

rows = st.lists(st.tuples(st.integers(0, 40).map(str), st.integers(0, 100).map(float)), max_size=120)


@given(rows=rows, capacity=st.integers(1, 10), size=st.integers(1, 30))
def test_the_most_urgent_cases_are_kept(rows: list[tuple[str, float]], capacity: int, size: int) -> None:
    leaders = Leaders(capacity)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        ids = [str(start + place) for place in range(len(part))]
        leaders.add([key for key, _ in part], [priority for _, priority in part], ids)
    best: dict[str, tuple[float, str]] = {}
    for number, (key, priority) in enumerate(rows):
        best[key] = max((priority, str(number)), best.get(key, (priority, "")))
    first = sorted(best, key=lambda key: (-best[key][0], key))[:capacity]
    assert list(leaders.leads().items()) == [(key, best[key][1]) for key in first]


def test_forgetting_those_out_of_reach_loses_nobody() -> None:
    leaders = Leaders(2)
    for night in range(5):
        keys = [f"{night}-{place}" for place in range(1_000)]
        leaders.add(keys, [float(place % 50) for place in range(1_000)], keys)
    leaders.add(["0-3", "returning"], [60.0, 55.0], ["a", "b"])
    assert leaders.leads() == {"0-3": "a", "returning": "b"}


def test_a_customer_is_one_case_and_a_nameless_text_another() -> None:
    assert case_key("C-1", "1", "late") == case_key("C-1", "2", "lost") == "C-1"
    assert case_key(None, "1", "late") != case_key(None, "1", "lost")
    assert case_key(None, "1", "late") != case_key(None, "2", "late")


@given(st.text(max_size=8) | st.sampled_from(["=1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1"]))
def test_a_cell_is_a_text_to_a_spreadsheet(text: str) -> None:
    shown = cell(text)
    assert shown in (text, f"'{text}")
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_numbers_and_lists_are_readable() -> None:
    assert [cell(value) for value in (None, 1.5, -3, True, ["a", "b"], ["=a"])] == [
        "",
        "1.5",
        "-3",
        "True",
        "a; b",
        "'=a",
    ]
    reasons = [
        {"factor": "urgency", "contribution": 12.345, "words": ["now", "third"]},
        {"factor": "reach", "contribution": 1, "words": []},
    ]
    assert cell(reasons) == "urgency 12.3 (now, third); reach 1.0"


def test_a_shared_customer_number_does_not_fill_the_memory() -> None:
    """Ten thousand texts of "guest" are one case: it counts all, keeps the newest, and the one that leads."""
    texts = CaseTexts()
    for number in range(10_000):
        day = f"2026-10-{1 + number % 28:02}T00:00:{number % 60:02}Z"
        row = {
            "id": f"{number:05}",
            "created_at": day,
            "customer_value": float(number),
            "priority": 1.0,
            "review": False,
        }
        texts.add(row | ({"priority": 90.0, "created_at": "2026-09-01"} if number == 17 else {}))
    newest = texts.newest()
    assert texts.count == 10_000
    assert texts.waiting_since == "2026-09-01"
    assert texts.customer_value == 9_999
    assert len(newest) == MOST_TEXTS
    assert newest[-1]["id"] == "00017" == (texts.lead or {})["id"]
    assert all(row["created_at"].startswith("2026-10-28") for row in newest[:-1])

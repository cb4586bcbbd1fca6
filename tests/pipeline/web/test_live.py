"""POST /v1/feedback: what comes in by itself is scored, masked and put into the desk at once, and once per key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from pipeline.followup import claims, people
from pipeline.followup.audit import Actor
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from pipeline.web.scorer import Loading
from tests.pipeline.followup.hands import ANA, at_once, cases, close, everything
from tests.pipeline.followup.lists import escalation, listed, said
from tests.pipeline.web.conftest import BASE, Browser, sign_in

ANGRY = "Third call about the same bill, nobody helps. I am leaving today and calling my lawyer!"
KIND = "Thank you, all good now."
Post = Callable[..., Response]


class Program(TestClient):
    """A program with a key for feedback, at a desk where a case opens from `live_from` on."""

    def __init__(self, store: Store, scorer: Any, live_from: float = 0.0, name: str = "crm") -> None:
        key = people.add_key(store, Actor("test", "test"), name, ["feedback", "score"])
        desk = Store(store.engine, Policy(live_from=live_from))
        super().__init__(
            create_app(store=desk, scorer=scorer), base_url=BASE, headers={"authorization": f"Bearer {key}"}
        )

    def tell(self, *texts: str, key: str | None = None, customer: str | None = "C-1", **more: Any) -> Response:
        records = [{"text": text, "customer_id": customer} | more for text in texts]
        return self.post("/v1/feedback", json=records, headers={"idempotency-key": key} if key is not None else {})


@pytest.fixture
def program(store: Store, scorer: Scorer) -> Program:
    """A program at a desk that takes everything in."""
    return Program(store, scorer)


def became(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [case["became"] for case in answer.json()["cases"]]


def test_feedback_is_scored_and_stands_in_the_queue_at_once(program: Program, store: Store) -> None:
    agent = Browser(program.app, store, sign_in(store, "ana", "agent"))  # type: ignore[arg-type]
    assert agent.get("/counts").json()["free"] == 0
    answer = program.tell(ANGRY, id="t-1", channel="chat", nps=2, customer_value=900).json()
    assert answer["cases"] == [{"case_key": "C-1", "became": "opened"}]
    assert agent.get("/counts").json()["free"] == 1
    scored = program.post("/v1/score", json=[{"id": "t-1", "text": ANGRY, "nps": 2, "customer_value": 900}]).json()
    same = ("urgency", "complaint_type", "signals", "p_detractor", "model_version")
    assert {name: answer["results"][0][name] for name in same} == {name: scored["results"][0][name] for name in same}
    [case] = cases(store)
    case = store.case(case.id)
    assert (case.text, case.channel, case.customer_value, case.nps_before) == (ANGRY, "chat", 900.0, 2.0)
    assert case.priority == pytest.approx(answer["results"][0]["priority"])
    assert sum(reason.contribution for reason in case.reasons) == pytest.approx(case.priority)
    assert [(event.who, event.origin, event.what) for event in case.events] == [("key crm", "testclient", "opened")]
    assert ANGRY.split(",")[0] in agent.get("/").text
    assert store.audit() == []


def test_what_is_not_urgent_opens_nothing(store: Store, scorer: Scorer) -> None:
    careful = Program(store, scorer, 100.0)
    answer = careful.tell(KIND)
    assert (became(answer), len(answer.json()["results"]), cases(store)) == (["unchanged"], 1, [])
    [reviewed] = [row for row in careful.tell("4711 :-(", customer="C-2").json()["results"] if row["review"]]
    assert [(case.case_key, case.review_reason) for case in cases(store)] == [("C-2", reviewed["review_reason"])]


def test_a_live_case_is_joined_and_never_sinks(program: Program, store: Store) -> None:
    store.enqueue(listed(escalation("C-1", said("what the night found", 99.0))), at=datetime.now(UTC))
    [case] = cases(store)
    claims.take(store, case.id, ANA)
    assert became(program.tell(KIND)) == ["updated"]
    after = store.case(case.id)
    assert (after.priority, after.text, after.held_by(datetime.now(UTC))) == (99.0, "what the night found", "ana")
    assert {text.text for text in after.texts} == {"what the night found", KIND}
    assert became(program.tell(KIND)) == ["unchanged"]  # the same words once more are not news
    assert len(store.case(case.id).texts) == 2


def test_a_matter_that_was_closed_comes_back(program: Program, store: Store) -> None:
    assert became(program.tell("It is late.")) == ["opened"]
    close(store, 1, at=datetime.now(UTC))
    assert became(program.tell(ANGRY)) == ["reopened"]
    assert (store.case(1).status, store.case(1).second_failure) == ("open", True)


def test_thanks_do_not_open_a_closed_case_again(program: Program, store: Store, scorer: Scorer) -> None:
    assert became(program.tell("It is late.")) == ["opened"]
    close(store, 1, at=datetime.now(UTC))
    assert became(Program(store, scorer, 100.0, "other").tell(KIND)) == ["updated"]
    assert (store.case(1).status, len(store.case(1).texts)) == ("closed", 2)


def test_several_records_are_several_customers_and_each_has_one_case(program: Program, store: Store) -> None:
    records = [{"text": ANGRY, "customer_id": who, "id": f"{who}-{n}"} for n, who in enumerate(["A", "B", "A", None])]
    answer = program.post("/v1/feedback", json={"records": records})
    assert became(answer) == ["opened"] * 3
    assert sorted(case.customer_id or "" for case in cases(store)) == ["", "A", "B"]
    assert sorted(case.n_texts for case in cases(store)) == [1, 1, 2]


def test_what_cannot_be_used_is_reported_and_the_rest_goes_on(program: Program, store: Store) -> None:
    records = [{"text": " "}, {"text": ANGRY, "customer_id": "C-1"}, {"words": "x"}, {"text": "a\x00b"}, {"text": 5}]
    answer = program.post("/v1/feedback", json=records).json()
    reasons = ["empty_text", "missing_text", "nul_char", "missing_text"]
    assert answer["rejected"] == [
        {"record": number, "reason": reason} for number, reason in zip((1, 3, 4, 5), reasons, strict=True)
    ]
    assert [case["became"] for case in answer["cases"]] == ["opened"]
    nothing = program.post("/v1/feedback", json=[{"text": " "}], headers={"idempotency-key": "empty"}).json()
    assert nothing == {"results": [], "rejected": [{"record": 1, "reason": "empty_text"}], "cases": []}


SECRETS = ["jane.doe@example.com", "+44 20 7946 0958", "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00"]


def test_nothing_personal_reaches_the_store(program: Program, store: Store, tmp_path: Path) -> None:
    text = f"I am leaving. Write to {SECRETS[0]} or call {SECRETS[1]}; card {SECRETS[2]}, account {SECRETS[3]}."
    answer = program.tell(text, key="once")
    assert became(answer) == ["opened"]
    there = repr(everything(store)) + (tmp_path / "amends.db").read_bytes().decode("latin-1") + answer.text
    for secret in SECRETS:
        assert secret not in there
        assert secret.replace(" ", "") not in there
    assert "I am leaving. Write to" in store.case(1).text


def test_a_key_is_answered_the_same_and_done_once(program: Program, store: Store) -> None:
    first = program.tell(ANGRY, key="4711", id="t-1")
    was = everything(store)
    assert program.tell(ANGRY, key="4711", id="t-1").json() == first.json()
    turned = program.post(
        "/v1/feedback", content=f'{{"records": [{{"id": "t-1", "customer_id": "C-1", "text": "{ANGRY}"}}]}}',
        headers={"idempotency-key": "4711", "content-type": "application/json"},
    )  # fmt: skip
    assert turned.json() == first.json()  # the same request, written in another order
    assert everything(store) == was
    other = program.tell(KIND, key="4711")
    sentence = "this Idempotency-Key came with another body before; take a new key for a new request"
    assert (other.status_code, other.json()) == (409, {"detail": sentence})
    assert everything(store) == was
    assert became(program.tell(ANGRY, key="4712", id="t-1")) == ["unchanged"]  # a new request about the same words


def test_the_key_of_one_program_is_not_that_of_another(program: Program, store: Store, scorer: Scorer) -> None:
    other = Program(store, scorer, name="shop")
    assert became(program.tell("one", key="1")) == ["opened"]
    assert became(other.tell("two", key="1", customer="C-2")) == ["opened"]
    assert len(cases(store)) == 2


def test_a_key_has_its_bounds(program: Program) -> None:
    assert became(program.tell("one", key="k" * 200)) == ["opened"]
    long = program.tell("two", key="k" * 201)
    assert (long.status_code, long.json()["detail"][:16]) == (422, "idempotency-key:")
    assert [became(program.tell(text, key="")) for text in ("three", "four")] == [["updated"], ["updated"]]


@pytest.mark.parametrize("key", ["same", None])
def test_two_at_once_are_as_two_in_turn(store: Store, scorer: Scorer, key: str | None) -> None:
    one = Program(store, scorer)
    headers = dict(one.headers)
    several = [TestClient(one.app, base_url=BASE, headers=headers) for _ in range(4)]

    def send(client: TestClient) -> Response:
        more = {} if key is None else {"idempotency-key": key}
        return client.post("/v1/feedback", json=[{"text": ANGRY, "customer_id": "C-1"}], headers=more)

    answers = at_once(*(lambda client=client: send(client) for client in several))
    said_of_them = sorted(became(answer)[0] for answer in answers)
    assert said_of_them == (["opened"] * 4 if key else ["opened", *["unchanged"] * 3])
    [case] = cases(store)
    assert len(store.case(case.id).texts) == 1
    assert len(everything(store)["received"]) == (1 if key else 0)
    assert store.audit() == []


def test_nothing_is_taken_in_before_the_model_is_there(store: Store, scorer: Scorer) -> None:
    loading = Loading(lambda: scorer)
    early = Program(store, loading)
    was = everything(store)
    answer = early.tell(ANGRY, key="1")
    assert (answer.status_code, answer.json()) == (503, {"detail": "the model is still being loaded"})
    assert answer.headers["retry-after"] == "5"
    assert everything(store) == was
    loading._run()
    assert became(early.tell(ANGRY, key="1")) == ["opened"]

"""The JSON API: everything that is sent comes back once, and whatever cannot be read is said in one sentence."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from models.schema import Schema
from models.triage import TriageModel
from pipeline.followup import claims
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from pipeline.web.scorer import Loading
from tests.pipeline.followup.hands import ANA, close
from tests.pipeline.web.conftest import BASE, NIGHT, escalations


def columns(schema: Schema) -> set[str]:
    found = {"id", "customer_id", "created_at", "priority", "reasons", "windows", "review", "review_reason"}
    for head in schema:
        found |= set(head.columns)
        found |= {head.name, f"{head.name}_confidence"} if head.exclusive else set()
        found |= {head.name} if head.kind == "multilabel" else set()
    return found | {"model_version", "scored_at"}


def test_every_record_comes_back_once(client: TestClient, model: TriageModel) -> None:
    records = [{"id": "a", "text": "Third time I ask."}, {"id": "b", "text": " "}, {"id": "c"}, {"id": 7, "text": "ok"}]
    answer = client.post("/v1/score", json={"records": records}).json()
    assert [row["id"] for row in answer["results"]] == ["a", "7"]
    assert answer["rejected"] == [{"record": 2, "reason": "empty_text"}, {"record": 3, "reason": "missing_text"}]
    assert set(answer["results"][0]) == columns(model.schema)


def test_contributions_add_up_and_personal_data_is_nowhere(client: TestClient) -> None:
    text = "Cancelling tonight, write to jane.doe@example.com or call +44 20 7946 0958."
    answer = client.post("/v1/score", json={"records": [{"text": text, "nps": 1, "customer_value": 900}]})
    row = answer.json()["results"][0]
    assert sum(reason["contribution"] for reason in row["reasons"]) == pytest.approx(row["priority"], abs=1e-9)
    assert "jane" not in answer.text
    assert "7946" not in answer.text


def test_a_bare_list_of_records_is_taken_too(client: TestClient) -> None:
    assert len(client.post("/v1/score", json=[{"text": "Thank you all."}]).json()["results"]) == 1


def test_a_thousand_records_are_taken_and_one_more_is_not(client: TestClient) -> None:
    assert len(client.post("/v1/score", json={"records": [{"text": "late"}] * 1_000}).json()["results"]) == 1_000
    refused = client.post("/v1/score", json={"records": [{"text": "late"}] * 1_001})
    assert (refused.status_code, refused.json()["detail"][:28]) == (422, "the body has 1,001 records; ")


def test_half_an_emoji_spoils_its_record_alone(client: TestClient) -> None:
    body = r'{"records": [{"text": "fine"}, {"text": "\ud83d"}]}'
    answer = client.post("/v1/score", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, len(answer.json()["results"])) == (200, 1)
    assert answer.json()["rejected"] == [{"record": 2, "reason": "bad_encoding"}]


def test_the_queue_in_parts(client: TestClient, store: Store) -> None:
    store.enqueue(escalations("one", "two", "three"), at=NIGHT)
    first = client.get("/v1/escalations?limit=2").json()
    assert [(row["rank"], row["customer_id"]) for row in first["escalations"]] == [(1, "C-0"), (2, "C-1")]
    assert (first["total"], first["next"]) == (3, 2)
    rest = client.get("/v1/escalations?limit=2&offset=2").json()
    assert ([row["rank"] for row in rest["escalations"]], rest["next"]) == ([3], None)
    beyond = client.get("/v1/escalations?offset=9").json()
    assert (beyond["escalations"], beyond["total"], beyond["next"]) == ([], 3, None)


def test_a_part_of_the_queue_says_what_a_case_is(client: TestClient, store: Store) -> None:
    store.enqueue(escalations("one"), at=NIGHT)
    [row] = client.get("/v1/escalations").json()["escalations"]
    assert (row["text"], row["status"], row["owner"]) == ("one", "open", None)
    assert sum(reason["contribution"] for reason in row["reasons"]) == pytest.approx(row["priority"])
    assert datetime.fromisoformat(row["due_at"]) == NIGHT + timedelta(hours=8)
    assert not row.keys() & {"texts", "events", "gifts"}  # what agents wrote stays at the desk


def test_each_list_of_the_queue(client: TestClient, store: Store) -> None:
    store.enqueue(escalations("one", "two", "three"), at=NIGHT)
    claims.take(store, 1, ANA)
    close(store, 2)
    found = {
        tab: client.get(f"/v1/escalations?tab={tab}").json() for tab in ("free", "overdue", "all", "closed", "review")
    }
    assert {tab: part["total"] for tab, part in found.items()} == {
        "free": 1, "overdue": 2, "all": 2, "closed": 1, "review": 0
    }  # fmt: skip
    assert [row["owner"] for row in found["all"]["escalations"]] == ["ana", None]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("tab=mine", "tab must be one of free, overdue, review, all, closed"),
        ("tab=lost", "tab must be one of free, overdue, review, all, closed"),
        ("limit=0", "limit: input should be greater than or equal to 1."),
        ("limit=1001", "limit: input should be less than or equal to 1000."),
        ("limit=x", "limit: input should be a valid integer, unable to parse string as an integer."),
        ("offset=-1", "offset: input should be greater than or equal to 0."),
        ("offset=10000001", "offset: input should be less than or equal to 10000000."),
    ],
)
def test_what_cannot_be_asked_is_said(client: TestClient, query: str, sentence: str) -> None:
    answer = client.get(f"/v1/escalations?{query}")
    assert (answer.status_code, answer.json()) == (422, {"detail": sentence})


def test_ready_once_the_model_is_loaded(store: Store, scorer: Scorer) -> None:
    loading = Loading(lambda: scorer)
    client = TestClient(create_app(store=store, scorer=loading, demo=True), base_url=BASE)
    assert client.get("/healthz").status_code == 200
    assert (client.get("/readyz").status_code, client.post("/v1/score", json=[{"text": "a"}]).status_code) == (503, 503)
    assert client.get("/readyz").json() == {"detail": "the model is still being loaded"}
    loading._run()
    assert client.get("/readyz").json() == {"status": "ready"}


def test_why_a_model_could_not_be_loaded_is_said(store: Store) -> None:
    def fail() -> Scorer:
        raise ValueError("no model champion; train one")

    loading = Loading(fail)
    loading._run()
    answer = TestClient(create_app(store=store, scorer=loading, demo=True), base_url=BASE).get("/readyz")
    assert answer.json()["detail"] == "the model could not be loaded: no model champion; train one"


def test_a_store_that_is_away_is_not_ready(client: TestClient, store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE cases RENAME TO elsewhere")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"detail": "the case store does not answer: no such table: cases"},
    )
    assert client.get("/healthz").json() == {"status": "alive"}


def test_what_is_not_there_is_said_in_json(client: TestClient) -> None:
    assert client.get("/v1/nothing").json() == {"detail": "Nothing lives at this address."}
    wrong = client.get("/v1/score")
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "This address cannot be used in that way."})
    assert wrong.headers["allow"] == "POST"


def test_the_docs_describe_every_call_and_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/score", "/v1/feedback", "/v1/escalations", "/healthz", "/readyz"}
    assert all(path in page for path in paths)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)

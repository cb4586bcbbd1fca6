"""The JSON API: everything that is sent comes back once, and whatever cannot be read is said in one sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.schema import Schema
from models.triage import TriageModel
from pipeline.followup.store import Store
from pipeline.triage.scoring import Scorer
from pipeline.web.app import create_app
from pipeline.web.body import JSON_LIMIT
from pipeline.web.scorer import Loading
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


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{}", "the body has no list 'records'"),
        ('"text"', "the body has no list 'records'"),
        ('{"records": []}', "the body has 0 records"),
        ('{"records": ["late"]}', "record 1 is not an object"),
        ('{"records": [{"text": "a"}], "model": "x"}', "the body has the unknown key 'model'"),
        ('{"records": [{"text": NaN}]}', "the body is not JSON: NaN is not a number in JSON"),
        ('{"records": [', "the body is not JSON: "),
        ("[" * 100_000, "the body is nested too deeply"),
        (b'{"records": [{"text": "\xff"}]}', "the body is not text in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said(client: TestClient, body: str | bytes, sentence: str) -> None:
    answer = client.post("/v1/score", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)


def test_a_body_of_another_kind_or_too_long_is_refused(client: TestClient) -> None:
    assert client.post("/v1/score", content="text=a", headers={"content-type": "text/plain"}).status_code == 415
    long = client.post("/v1/score", content=b" " * (JSON_LIMIT + 1), headers={"content-type": "application/json"})
    assert (long.status_code, long.json()["detail"][:42]) == (413, "the body is larger than 4,194,304 bytes; s")

    def stream() -> Any:
        for _ in range(80):
            yield b" " * 65_536

    assert client.post("/v1/score", content=stream(), headers={"content-type": "application/json"}).status_code == 413


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
    assert client.get("/v1/escalations?status=resolved").json()["total"] == 0
    wrong = client.get("/v1/escalations?status=lost")
    assert (wrong.status_code, wrong.json()["detail"][:21]) == (422, "status must be one of")


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


def test_without_a_demo_others_reach_the_state_and_the_docs_alone(store: Store, scorer: Scorer) -> None:
    client = TestClient(
        create_app(store=store, scorer=scorer, demo=False, loopback=False), base_url="http://desk.example"
    )
    assert [client.get(path).status_code for path in ("/healthz", "/readyz", "/docs")] == [200] * 3
    assert [client.get(path).status_code for path in ("/", "/cases/1", "/v1/escalations")] == [403] * 3
    assert client.post("/v1/score", json=[{"text": "a"}]).status_code == 403
    with pytest.raises(ValueError, match="a demo has no passwords"):
        create_app(store=store, scorer=scorer, demo=True, loopback=False)


def test_the_docs_describe_every_call_and_load_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/v1/score", "/v1/escalations", "/healthz", "/readyz"}
    assert all(path in page for path in paths)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)

"""The JSON API: score records, read the queue, and say whether the server is alive and ready."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, HTTPException, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from pipeline.followup import live
from pipeline.followup.audit import Actor
from pipeline.followup.case import Case, ConflictError
from pipeline.followup.queue import TABS, Filter, counts, page
from pipeline.followup.store import Store
from pipeline.web.access import visitor_of
from pipeline.web.body import json_body
from pipeline.web.scorer import Scorer

MOST_RECORDS = 1_000
SHAPE = "send {'records': [{'text': '...'}, ...]} with 1 to 1,000 records"
EXAMPLE = {"records": [{"id": "1", "text": "Third call about the same bill. I am leaving.", "customer_id": "C-20418"}]}


class PlainJSON(JSONResponse):
    """JSON in ASCII: whatever a customer wrote arrives as it was."""

    def render(self, content: Any) -> bytes:
        """Return `content` as JSON; times in ISO 8601."""
        return json.dumps(content, separators=(",", ":"), default=_time).encode("ascii")


class Records(BaseModel):
    """Feedback to score; the columns are those of a dump, and only `text` is required."""

    records: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_RECORDS)


class Rejected(BaseModel):
    """A record that was not scored: its number in the request, and why."""

    record: int
    reason: str


class Scored(BaseModel):
    """One result per record that could be scored, and the others with their reasons."""

    results: list[dict[str, Any]]
    rejected: list[Rejected]


class Became(BaseModel):
    """What became of a customer's case."""

    case_key: str
    became: str


class TakenIn(Scored):
    """What was scored, and what became of each customer."""

    cases: list[Became]


class Escalations(BaseModel):
    """A part of the queue, most important first; `next` is the offset of the part after it, if there is one."""

    escalations: list[dict[str, Any]]
    total: int
    next: int | None


class State(BaseModel):
    """How the server is."""

    status: str


class Sentence(BaseModel):
    """What is wrong, in one sentence."""

    detail: str


def api(store: Store, scorer: Scorer, changed: Callable[[str], None]) -> APIRouter:
    """Return the routes; `changed` is called when cases have come in."""
    router = APIRouter(default_response_class=PlainJSON)
    body = {
        "required": True,
        "content": {"application/json": {"schema": Records.model_json_schema(), "example": EXAMPLE}},
    }

    @router.post(
        "/v1/score",
        response_model=Scored,
        responses={code: {"model": Sentence} for code in (401, 403, 413, 415, 422, 503)},
        openapi_extra={"requestBody": body},
        summary="Score up to 1,000 records of feedback",
    )
    async def score(request: Request) -> PlainJSON:
        """Every record comes back once, under `results` or, with the reason, under `rejected`; nothing is stored."""
        records = _records(await json_body(request))
        _check_ready(scorer)
        results, rejected = await run_in_threadpool(_score, store, scorer, records)
        return PlainJSON({"results": results, "rejected": rejected})

    @router.post(
        "/v1/feedback",
        response_model=TakenIn,
        responses={code: {"model": Sentence} for code in (401, 403, 409, 413, 415, 422, 503)},
        openapi_extra={"requestBody": body},
        summary="Score up to 1,000 records and put them into the desk",
    )
    async def feedback(
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(max_length=200, description="send again with the same key and nothing happens twice")
        ] = None,
    ) -> PlainJSON:
        """As `/v1/score`, and `cases` says what became of each customer: opened, reopened, updated or unchanged."""
        records = _records(await json_body(request))
        _check_ready(scorer)
        actor = visitor_of(request).actor
        key = f"{actor.name} {idempotency_key}" if idempotency_key else None
        try:
            return PlainJSON(await run_in_threadpool(_take_in, store, scorer, records, actor, key))
        except ConflictError as error:
            raise HTTPException(409, str(error)) from None
        finally:
            changed("")

    @router.get(
        "/v1/escalations",
        response_model=Escalations,
        responses={code: {"model": Sentence} for code in (401, 403, 422)},
        summary="The queue: who to call first, and why",
    )
    def escalations(
        limit: Annotated[int, Query(ge=1, le=1_000, description="how many, at most")] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000, description="how many to leave out first")] = 0,
        tab: Annotated[str, Query(description="one of free, overdue, review, all, closed")] = "all",
    ) -> PlainJSON:
        """Cases in the order of the queue; `reasons` add up to the `priority` of each."""
        if tab not in TABS or tab == "mine":
            raise HTTPException(422, f"tab must be one of {', '.join(one for one in TABS if one != 'mine')}")
        found = page(store, Filter(tab=tab), "", limit=limit, offset=offset)
        total = counts(store, "")[tab]
        after = offset + len(found.cases)
        rows = [_escalation(case, offset + n) for n, case in enumerate(found.cases, 1)]
        return PlainJSON({"escalations": rows, "total": total, "next": after if rows and after < total else None})

    @router.get("/healthz", response_model=State, summary="Is the server alive?")
    def healthz() -> PlainJSON:
        """Says nothing about the model or the store: see /readyz."""
        return PlainJSON({"status": "alive"})

    @router.get("/readyz", response_model=State, responses={503: {"model": Sentence}}, summary="Can it do its work?")
    def readyz() -> PlainJSON:
        """503 with the reason until the model is loaded and the case store answers."""
        problem = why_not_ready(scorer) if not scorer.ready else store.check()
        return PlainJSON({"detail": problem}, 503) if problem else PlainJSON({"status": "ready"})

    return router


def _check_ready(scorer: Scorer) -> None:
    if not scorer.ready:
        raise HTTPException(503, why_not_ready(scorer), headers={"Retry-After": "5"})


def _take_in(store: Store, scorer: Scorer, records: list[object], actor: Actor, key: str | None) -> Any:
    body = json.dumps(records, sort_keys=True).encode()
    if key is not None and (before := live.answered(store, key, body)) is not None:
        return before
    results, rejected, listed = scorer.escalate_objects(records, customer_values=store.customer_values())
    answer = json.loads(json.dumps({"results": results, "rejected": rejected}, default=_time))
    return live.take_in(store, actor, listed, answer, key=key, body=body)


def why_not_ready(scorer: Scorer) -> str:
    """Return one sentence on why `scorer` cannot score yet."""
    return str(getattr(scorer, "problem", "the model is not loaded"))


def _records(body: Any) -> list[object]:
    """Return the records of a request: those under ``records``, or the body itself where it is a list.

    Raises
    ------
    HTTPException
        422 where the body has another shape; what is wrong with a single record is for the scorer to say.
    """
    body = {"records": body} if isinstance(body, list) else body
    if not isinstance(body, dict) or not isinstance(body.get("records"), list):
        raise HTTPException(422, f"the body has no list 'records'; {SHAPE}")
    unknown = [key for key in body if key != "records"]
    if unknown:
        raise HTTPException(422, f"the body has the unknown key {unknown[0][:40]!r}; {SHAPE}")
    records: list[object] = body["records"]
    if not 1 <= len(records) <= MOST_RECORDS:
        raise HTTPException(422, f"the body has {len(records):,} records; {SHAPE}")
    wrong = next((n for n, record in enumerate(records, 1) if not isinstance(record, dict)), None)
    if wrong is not None:
        raise HTTPException(422, f"record {wrong} is not an object; {SHAPE}")
    return records


def _score(store: Store, scorer: Scorer, records: list[object]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return scorer.score_objects(records, customer_values=store.customer_values())


def _escalation(case: Case, rank: int) -> dict[str, Any]:
    hidden = {"texts", "events", "gifts", "reasons"}
    row = {field.name: getattr(case, field.name) for field in dataclasses.fields(case) if field.name not in hidden}
    return {"rank": rank} | row | {"reasons": [reason._asdict() for reason in case.reasons]}


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not JSON")

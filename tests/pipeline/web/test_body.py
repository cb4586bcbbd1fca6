"""Bodies that are too long, too deep, of another kind or no JSON at all: one sentence, and nothing else happens."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pipeline.followup.store import Store
from pipeline.web.body import FORM_LIMIT, JSON_LIMIT
from tests.pipeline.followup.hands import everything
from tests.pipeline.web.conftest import Browser
from tests.pipeline.web.looking import seen

PATHS = ("/v1/score", "/v1/feedback")
JSON = {"content-type": "application/json"}
FORM = "application/x-www-form-urlencoded"


def padded(size: int) -> bytes:
    """Return a good request of so many bytes."""
    body = b'{"records": [{"text": "late"}]}'
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("path", PATHS)
def test_a_mebibyte_is_taken_and_a_byte_more_is_not(client: TestClient, path: str) -> None:
    assert JSON_LIMIT == 1024 * 1024
    assert client.post(path, content=padded(JSON_LIMIT), headers=JSON).status_code == 200
    long = client.post(path, content=padded(JSON_LIMIT + 1), headers=JSON)
    assert long.status_code == 413
    assert long.json() == {"detail": "the body is larger than 1,048,576 bytes; send less at a time"}


def answered(app: FastAPI, path: str, headers: dict[str, str], chunks: Iterator[bytes]) -> tuple[int, bytes]:
    """Return the status and the body that `app` answers to a body that comes in `chunks`, without end if need be."""
    got: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    raw = [(name.encode(), value.encode()) for name, value in ({"host": "127.0.0.1"} | headers).items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": raw,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    return got[0]["status"], b"".join(message.get("body", b"") for message in got[1:])


@pytest.mark.parametrize("length", [None, "1", "x", "-1", "99999999999999999999", str(JSON_LIMIT + 1)])
def test_it_stops_reading_as_soon_as_it_knows(client: TestClient, length: str | None) -> None:
    """Whatever is said of the length, or nothing at all, as where a body comes in chunks."""
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 65_536
            yield b" " * 65_536

    headers = JSON | ({} if length is None else {"content-length": length})
    status, body = answered(client.app, "/v1/score", headers, endless())  # type: ignore[arg-type]
    assert (status, json.loads(body)["detail"][:38]) == (413, "the body is larger than 1,048,576 byte")
    assert read <= JSON_LIMIT + 65_536
    assert read == 0 or length not in ("99999999999999999999", str(JSON_LIMIT + 1))


def test_nobody_is_read_whom_no_key_lets_in(app: FastAPI) -> None:
    def nothing() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    assert answered(app, "/v1/feedback", JSON, nothing())[0] == 401
    assert answered(app, "/take-next", {"content-type": FORM}, nothing())[0] == 403


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the body is not JSON: Expecting value at line 1, column 1"),
    "cut": ('{"records": [', "the body is not JSON: "),
    "two": ("[] []", "the body is not JSON: Extra data at line 1, column 4"),
    "byte order mark": (b'\xef\xbb\xbf{"records": []}', "the body is not JSON: Unexpected UTF-8 BOM"),
    "not UTF-8": (b'{"records": [{"text": "\xff"}]}', "the body is not text in UTF-8"),
    "UTF-16": ('{"records": []}'.encode("utf-16"), "the body is not text in UTF-8"),
    "deep list": ("[" * 100_000, "the body is nested too deeply; send {'records': [{...}, ...]}"),
    "deep list, closed": ("[" * 100_000 + "]" * 100_000, "the body is nested too deeply"),
    "deep object": ('{"a":' * 100_000 + "1" + "}" * 100_000, "the body is nested too deeply"),
    "deep record": ('[{"text":' + "[" * 50_000 + "]" * 50_000 + "}]", "the body is nested too deeply"),
    "NaN": ('[{"text": NaN}]', "the body is not JSON: NaN is not a number in JSON"),
    "infinity": ('[{"nps": -Infinity}]', "the body is not JSON: -Infinity is not a number in JSON"),
    "huge float": ('[{"nps": 1e999}]', "the body is not JSON: a number is too large"),
    "huge integer": (f'[{{"nps": {"9" * 301}}}]', "the body is not JSON: a number is too large"),
    "a megabyte of digits": (f"[{'9' * 1_000_000}]", "the body is not JSON: a number is too large"),
    "key twice": ('{"records": [], "records": []}', "the body is not JSON: the key 'records' is given twice"),
    "field twice": ('[{"text": "a", "text": "b"}]', "the body is not JSON: the key 'text' is given twice"),
    "long key twice": (f'{{"{"k" * 999}": 1, "{"k" * 999}": 2}}', f"the body is not JSON: the key '{'k' * 40}' is"),
    "null": ("null", "the body has no list 'records'; send {'records': [{'text': '...'}, ...]} with 1 to 1,000"),
    "a word": ('"text"', "the body has no list 'records'"), "no records": ("{}", "the body has no list 'records'"),
    "records of no list": ('{"records": {"text": "a"}}', "the body has no list 'records'"),
    "an empty list": ('{"records": []}', "the body has 0 records"),
    "no object": ('["late"]', "record 1 is not an object"),
    "a list of null": ('[{"text": "a"}, null]', "record 2 is not"),
    "more": ('{"records": [{"text": "a"}], "model": "x"}', "the body has the unknown key 'model'"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_read_is_said(client: TestClient, store: Store, broken: str) -> None:
    body, sentence = BROKEN[broken]
    was = everything(store)
    for path in PATHS:
        answer = client.post(path, content=body, headers=JSON)
        assert (answer.status_code, answer.json()["detail"][: len(sentence)]) == (422, sentence)
        assert len(answer.text) < 300
    assert everything(store) == was


def test_what_is_deep_and_can_still_be_read_spoils_its_record_alone(client: TestClient) -> None:
    for depth in (50, 500, 900, 940, 960, 980):  # also where reading is still possible and writing no longer
        body = '[{"text": "fine"}, {"text": "late", "extra": ' + "[" * depth + "]" * depth + "}]"
        for path in PATHS:
            answer = client.post(path, content=body, headers=JSON)
            assert answer.status_code in (200, 422)
            if answer.status_code == 200:
                assert answer.json()["rejected"] in ([], [{"record": 2, "reason": "malformed_record"}])


ODD = ("1e308", "-1e308", "9" * 300, "-0.0", "true", "[]", "{}", '"\\u0000"', '"\\ud83d"', '" "', "null")


@pytest.mark.parametrize("field", ["id", "customer_id", "customer_value", "nps", "reach", "created_at", "lang", "text"])
def test_an_odd_value_is_a_matter_of_its_record(client: TestClient, field: str) -> None:
    for value in ODD:
        odd = ", ".join(f'"{name}": {given}' for name, given in ({"text": '"late"'} | {field: value}).items())
        for path in PATHS:
            answer = client.post(path, content=f'[{{"text": "fine", "customer_id": "C-2"}}, {{{odd}}}]', headers=JSON)
            assert answer.status_code == 200, (value, answer.text)
            assert len(answer.json()["results"]) + len(answer.json()["rejected"]) == 2


def test_another_kind_of_body_is_refused(client: TestClient) -> None:
    for kind in ("", "text/plain", "text/json", "application/jsonl", "multipart/form-data; boundary=x", FORM):
        answer = client.post("/v1/score", content=padded(100), headers={"content-type": kind})
        said = "the body must be application/json, not compressed; send 'Content-Type: application/json'"
        assert (answer.status_code, answer.json()) == (415, {"detail": said})


def test_a_compressed_body_is_refused(client: TestClient) -> None:
    for coding in ("gzip", "br", "deflate, gzip"):
        headers = JSON | {"content-encoding": coding}
        assert client.post("/v1/score", content=gzip.compress(padded(100)), headers=headers).status_code == 415
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON"):
        plain = {"content-type": kind, "content-encoding": "identity"}
        assert client.post("/v1/score", content=padded(100), headers=plain).status_code == 200


def test_a_form_has_its_bounds_too(agent: Browser, store: Store) -> None:
    headers = {"origin": str(agent.base_url), "content-type": FORM}
    good = urlencode({"token": agent.token, "name": "mine"})
    was = everything(store)
    for body, status, sentence in (
        (good + "&query=" + "x" * FORM_LIMIT, 413, "The body is larger than 65,536 bytes; send less at a time."),
        (good + "&name=other", 422, "A field of the form was sent twice."),
        ("&".join(f"f{number}=1" for number in range(21)), 422, "The form could not be read."),
        ("name", 422, "The form could not be read."),
        ("name=%ff", 422, "The form could not be read."),
        ("name=%ed%a0%80", 422, "The form could not be read."),
        (b"name=\xff", 422, "The form could not be read."),
    ):
        answer = agent.post("/views", content=body, headers=headers)
        assert (answer.status_code, sentence.rstrip(".").lower() in seen(answer).lower()) == (status, True), body[-40:]
    assert agent.post("/views", json={"name": "x"}, headers={"origin": str(agent.base_url)}).status_code == 415
    assert agent.post("/views", files={"name": b"x"}, headers={"origin": str(agent.base_url)}).status_code == 415
    assert everything(store) == was
    assert agent.post("/views", content=good, headers=headers).status_code == 303

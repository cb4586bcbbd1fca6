"""What goes on by itself: leases run out, late cases are told of once, and no message is lost or sent twice."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.config import ROOT
from pipeline.followup import casework, claims
from pipeline.followup.background import Background, mark_late
from pipeline.followup.outbox import deliver, put_aside
from pipeline.followup.policy import Policy, Webhook
from pipeline.followup.store import Store
from pipeline.followup.tables import OUTBOX
from pipeline.followup.webhooks import Target, pause, targets, verify
from tests.pipeline.followup.hands import ANA, AT, BO, NIGHT, at_once, close, fill, one

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECRET = "whsec-4711"


class Receiver(ThreadingHTTPServer):
    """Another system on this machine; it answers the statuses that it is told to, one after the other, then 200."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.before_answer: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=tok-0815"

    @property
    def ids(self) -> list[str]:
        return [headers["amends-id"] for headers, _ in self.seen]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who dies while it is told is what a test is about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.before_answer()
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """A test says what went wrong."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def policy(receiver: Receiver) -> Policy:
    """Return rules by which the receiver is told of everything, and put aside after three tries."""
    hook = Webhook(url=receiver.url, secret_env="HOOK")
    return Policy(site="https://desk.example.com/", webhooks=[hook], webhook_hosts=["127.0.0.1"], webhook_attempts=3)


@pytest.fixture
def told(policy: Policy) -> dict[str, Target]:
    return {target.url: target for target in targets(policy, {"HOOK": SECRET})}


@pytest.fixture
def store(opening: Callable[..., Store], policy: Policy) -> Store:
    """Return a store whose changes are told."""
    return opening(policy)


def outbox(store: Store) -> list[Any]:
    with store.engine.connect() as connection:
        return list(connection.execute(select(OUTBOX).order_by(OUTBOX.c.id)))


def happened(store: Store, case_id: int) -> list[str]:
    return [event.what for event in store.case(case_id).events]


def test_a_lease_runs_out_and_the_case_is_free_again(store: Store) -> None:
    [case] = fill(store, 90.0, at=AT)
    claims.take(store, case.id, ANA, at=AT)
    clock = Background(store, [])
    clock.once(at=AT + 29 * MINUTE)
    assert store.case(case.id).owner == "ana"
    for _ in range(2):
        clock.once(at=AT + 31 * MINUTE)
    event = store.case(case.id).events[-1]
    assert (event.who, event.what, event.detail) == ("the clock", "returned", {"owner": "ana"})
    assert (store.case(case.id).owner, happened(store, case.id)) == (None, ["opened", "taken", "returned"])
    assert claims.take(store, case.id, BO, at=AT + 32 * MINUTE).owner == "bo"


def test_a_late_case_is_told_of_once(store: Store, told: dict[str, Target], receiver: Receiver) -> None:
    late, reached, ended = fill(store, 90.0, 80.0, 70.0)  # due eight hours after the night
    claims.take(store, reached.id, ANA, at=NIGHT + HOUR)
    casework.contacted(store, reached.id, ANA, at=NIGHT + HOUR)
    close(store, ended.id, at=NIGHT + HOUR)
    assert mark_late(store, at=NIGHT + 8 * HOUR) == 0
    assert sorted(at_once(*[lambda: mark_late(store, at=NIGHT + 9 * HOUR)] * 4)) == [0, 0, 0, 1]
    assert mark_late(store, at=NIGHT + 9 * HOUR) == 0
    assert happened(store, late.id).count("due") == 1
    assert [(row.event, row.body["case"]["id"]) for row in outbox(store) if row.event == "case.due"] == [
        ("case.due", late.id)
    ]
    # Who was reached waits for it to be made right, and is late once more when that is.
    assert mark_late(store, at=NIGHT + 14 * DAY) == 1
    assert [happened(store, case.id).count("due") for case in (late, reached, ended)] == [1, 1, 0]
    assert store.audit() == []


def test_a_message_is_signed_and_holds_no_word_of_a_customer(
    store: Store, told: dict[str, Target], receiver: Receiver
) -> None:
    case = one(store, ANA)
    casework.close(store, case.id, ANA, "resolved", "process", note="a note", at=AT)
    assert deliver(store, told, at=AT) == 2
    assert deliver(store, told, at=AT + DAY) == 0
    for (headers, body), row in zip(receiver.seen, outbox(store), strict=True):
        assert verify(SECRET.encode(), body, headers["amends-signature"], AT)
        assert not verify(b"another", body, headers["amends-signature"], AT)
        assert (headers["amends-event"], headers["amends-id"]) == (row.event, f"outbox-{row.id}")
        assert (row.sent_at, row.try_at, row.tries, row.problem) == (AT, None, 1, None)
        assert b"words of" not in body
        assert b"a note" not in body
    opened, closed = (json.loads(body) for _, body in receiver.seen)
    assert (opened["event"], opened["at"]) == ("case.opened", NIGHT.isoformat())
    assert opened["case"]["due_at"] == (NIGHT + 8 * HOUR).isoformat()
    assert (closed["event"], closed["case"]["outcome"], closed["case"]["root_cause"]) == (
        "case.closed", "resolved", "process",
    )  # fmt: skip
    assert closed["case"]["url"] == f"https://desk.example.com/cases/{case.id}"


def test_who_asked_for_some_events_is_told_of_those(opening: Callable[..., Store], receiver: Receiver) -> None:
    hooks = [Webhook(url=f"{receiver.url}&{event}", events=[event]) for event in ("case.opened", "case.closed")]  # type: ignore[list-item]
    store = opening(Policy(webhooks=hooks))
    case = one(store, ANA)
    casework.close(store, case.id, ANA, "lost", "price", at=AT)
    assert [(row.event, row.url.rpartition("&")[2]) for row in outbox(store)] == [
        ("case.opened", "case.opened"), ("case.closed", "case.closed"),
    ]  # fmt: skip
    assert outbox(store)[0].body["case"]["url"] is None


def test_what_fails_is_tried_again_after_a_pause(store: Store, told: dict[str, Target], receiver: Receiver) -> None:
    one(store, None)
    receiver.statuses = [500]
    assert deliver(store, told, at=AT) == 1
    [row] = outbox(store)
    assert (row.tries, row.sent_at, row.problem) == (1, None, "127.0.0.1 answered 500")
    assert row.try_at == AT + pause(1, str(row.id))
    assert deliver(store, told, at=row.try_at - timedelta(seconds=1)) == 0
    assert deliver(store, told, at=row.try_at) == 1
    [row] = outbox(store)
    assert (row.tries, row.problem, put_aside(store)) == (2, None, 0)
    assert receiver.ids == [f"outbox-{row.id}"] * 2
    assert receiver.seen[0][1] == receiver.seen[1][1]


def test_what_fails_for_good_is_put_aside_and_stays(
    store: Store, told: dict[str, Target], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, 90.0, 80.0)
    receiver.statuses = [503, 400, 503, 503]  # the second message is one that the receiver will never take
    at, tried = AT, 0
    while (due := [row.try_at for row in outbox(store) if row.try_at]) and tried < 9:
        at = max(*due, at)
        tried += deliver(store, told, at=at)
    assert (tried, put_aside(store), len(receiver.seen)) == (4, 2, 4)
    assert [(row.tries, row.sent_at) for row in outbox(store)] == [(3, None), (1, None)]
    assert deliver(store, told, at=at + 30 * DAY) == 0
    assert "is put aside after 3 tries: 127.0.0.1 answered 503" in caplog.text
    assert "tok-0815" not in caplog.text
    assert [row.body["case"]["customer_id"] for row in outbox(store)] == ["C-1", "C-2"]


def test_a_webhook_that_is_gone_is_not_asked_for_ever(store: Store) -> None:
    one(store, None)
    assert deliver(store, {}, at=AT) == 1
    [row] = outbox(store)
    assert (row.try_at, row.problem) == (None, "no webhook of the settings has this address any more")
    assert put_aside(store) == 1


CHILD = """
import sys
from datetime import datetime
from pipeline.followup.outbox import deliver
from pipeline.followup.policy import Policy, Webhook
from pipeline.followup.store import Store
from pipeline.followup.webhooks import targets
url, hook, at = sys.argv[1:]
policy = Policy(webhooks=[Webhook(url=hook)], webhook_hosts=["127.0.0.1"])
told = {target.url: target for target in targets(policy, {})}
deliver(Store.open(url, policy), told, at=datetime.fromisoformat(at))
"""


def test_what_a_server_took_and_did_not_send_is_not_lost(
    store: Store, url: str, told: dict[str, Target], receiver: Receiver
) -> None:
    one(store, None)
    child = subprocess.Popen([sys.executable, "-c", CHILD, url, receiver.url, AT.isoformat()], cwd=ROOT)
    receiver.before_answer = child.kill  # as by kill -9, in the middle of it
    assert child.wait(timeout=120) == -9
    receiver.before_answer = lambda: None
    [row] = outbox(store)
    assert (row.tries, row.sent_at, row.try_at) == (0, None, AT + 2 * MINUTE)
    assert deliver(store, told, at=AT + MINUTE) == 0  # for all we know it is still being sent
    assert deliver(store, told, at=AT + 2 * MINUTE) == 1
    assert receiver.ids == [f"outbox-{row.id}"] * 2  # by which the receiver knows it
    assert outbox(store)[0].sent_at == AT + 2 * MINUTE


def test_several_servers_send_each_message_once(
    opening: Callable[..., Store], store: Store, policy: Policy, told: dict[str, Target], receiver: Receiver
) -> None:
    fill(store, *range(60, 90))
    servers = [store, *(opening(policy) for _ in range(3))]

    def work(server: Store) -> int:
        done = 0
        while sent := deliver(server, told, most=4, at=AT):
            done += sent
        return done

    counts = at_once(*(lambda server=server: work(server) for server in servers))
    assert sum(counts) == len(receiver.ids) == 30
    assert sorted(receiver.ids) == sorted(f"outbox-{row.id}" for row in outbox(store))
    assert all(row.sent_at for row in outbox(store))


def test_slow_receivers_leave_no_message_with_two_servers(
    store: Store, told: dict[str, Target], receiver: Receiver
) -> None:
    """Whoever has taken so long that others may take what is left leaves it to them."""
    fill(store, 90.0, 80.0, 70.0)
    receiver.before_answer = lambda: time.sleep(0.3)
    assert deliver(store, told, at=AT, taken=timedelta(seconds=0.4)) == 1
    assert [row.try_at for row in outbox(store)] == [None, *[AT + timedelta(seconds=0.4)] * 2]
    receiver.before_answer = lambda: None
    assert deliver(store, told, at=AT + timedelta(seconds=0.4)) == 2
    assert len(set(receiver.ids)) == len(receiver.ids) == 3


def test_the_clock_goes_on_when_the_store_is_away_for_a_while(
    store: Store, policy: Policy, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, 90.0, at=datetime.now(UTC))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE outbox RENAME TO elsewhere")
    clock = Background(store, targets(policy, {"HOOK": SECRET}), seconds=0.02)
    clock.start()
    assert _soon(lambda: "the case store did not answer" in caplog.text)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO outbox")
    assert _soon(lambda: outbox(store)[0].sent_at is not None)
    clock.stop()
    assert not clock._thread.is_alive()
    assert len(receiver.seen) == 1


def _soon(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + 30
    while not holds() and time.monotonic() < until:
        time.sleep(0.01)
    return holds()

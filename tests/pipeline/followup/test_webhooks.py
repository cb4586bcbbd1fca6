"""Telling another system: whom the rules allow, a signature that holds, and one attempt that nobody can lead astray."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.config import ConfigError
from pipeline.followup.policy import EVENTS, Policy
from pipeline.followup.webhooks import ANSWER_BYTES, Sent, Target, pause, send, signature, targets, verify

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
SECRET, TOKEN = "whsec-4711", "tok-0815"
BODY = b'{"case": 7, "said": "leaving today"}'
HOST, PUBLIC = "crm.example.com", "93.184.216.34"
Answer = bytes | Callable[[BinaryIO], None]


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """A real receiver on a loopback address; it answers what it is told to, whatever that is."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.seen, self.gone = answer, list[Request](), threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up early is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.seen.append(Request(self.command, self.path, dict(self.headers), body))
        answer = self.server.answer
        answer(self.wfile) if callable(answer) else self.wfile.write(answer)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def status(code: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} So it is", *headers, "Content-Length: 2", "", "ok"]).encode()


YES = status(200)


@pytest.fixture
def serving() -> Iterator[Callable[..., Receiver]]:
    """Yield a function that starts a receiver with an answer, under TLS where it is given a context."""
    started: list[Receiver] = []

    def start(answer: Answer = YES, tls: ssl.SSLContext | None = None) -> Receiver:
        server = Receiver(answer)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.gone.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _nothing_is_told_to_a_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert not [text for text in (SECRET, TOKEN, BODY.decode()) if text in caplog.text]


def rules(url: str, hosts: list[str], **hook: Any) -> Policy:
    return Policy.model_validate({"webhooks": [{"url": url, **hook}], "webhook_hosts": hosts})


def target(url: str, *hosts: str) -> Target:
    hosts = hosts or (HOST, "127.0.0.1", "localhost")
    return targets(rules(url, list(hosts), secret_env="HOOK"), {"HOOK": SECRET})[0]


def local(server: Receiver) -> Target:
    return target(f"http://127.0.0.1:{server.port}/hook?token={TOKEN}")


def tried(to: Target, **how: Any) -> Sent:
    """Return what came of one attempt, when its problem is one short line without what is nobody's business."""
    sent = send(to, "case.opened", "case-7", **{"body": BODY, "now": NOW, **how})
    assert (sent.problem is None) == sent.ok
    assert sent.ok is (sent.status is not None and 200 <= sent.status < 300)
    problem = sent.problem or ""
    assert len(problem.splitlines()) <= 1
    assert len(problem) < 250
    assert not [text for text in (SECRET, TOKEN, "leaving", "v1=", "/hook") if text in problem]
    return sent


def resolving(*addresses: str) -> Callable[..., list[Any]]:
    """Return a resolver that knows these addresses for every name, once: the next who asks is told another."""
    answers = [addresses, ("10.0.0.1",)]

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        known = answers.pop(0)
        return [
            (family[":" in one], socket.SOCK_STREAM, 6, "", (one, port, 0, 0)[: 4 if ":" in one else 2])
            for one in known
        ]

    return resolve


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[tuple[str, int]]]]:
    """Yield a function that lets every connection end at a server of ours, or nowhere, and returns where they went."""
    asked: list[tuple[str, int]] = []

    def leading(server: Receiver | None = None) -> list[tuple[str, int]]:
        class Diverted(socket.socket):
            def connect(self, where: Any) -> None:
                asked.append(where[:2])
                if server is None:
                    raise ConnectionRefusedError(111, "Connection refused")
                super().connect(("127.0.0.1", server.port))

        monkeypatch.setattr(socket, "socket", Diverted)
        return asked

    return leading


# Whom the rules allow


def test_a_target_is_what_the_rules_say() -> None:
    url = "HTTPS://CRM.Example.com:8443/hook?a=1&b=%C3%BC"
    policy = rules(url, ["other.example.com", "crm.EXAMPLE.com"], secret_env="HOOK", events=["case.due"])
    assert targets(policy, {"HOOK": SECRET}) == [
        Target(url, HOST, 8443, "/hook?a=1&b=%C3%BC", "https", ("case.due",), SECRET.encode())
    ]


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://crm.example.com", HOST, 443, "/"),
        ("https://crm.example.com?a", HOST, 443, "/?a"),
        ("http://localhost/x", "localhost", 80, "/x"),
        ("http://127.0.0.1:9/x", "127.0.0.1", 9, "/x"),
        ("https://straße.example/x", "xn--strae-oqa.example", 443, "/x"),
        ("https://xn--strae-oqa.example/x", "xn--strae-oqa.example", 443, "/x"),
    ],
)
def test_a_host_is_compared_in_ascii_without_case(url: str, host: str, port: int, path: str) -> None:
    to = target(url, HOST, "Localhost", "127.0.0.1", "STRAßE.example")
    assert (to.host, to.port, to.path, to.events) == (host, port, path, EVENTS)


def test_no_hooks_are_no_targets() -> None:
    assert targets(Policy(), {}) == []


def test_a_loopback_name_needs_no_secret_and_a_secret_of_other_bytes_is_kept() -> None:
    to, other = targets(
        Policy.model_validate(
            {
                "webhooks": [{"url": "http://localhost/"}, {"url": "http://localhost/", "secret_env": "HOOK"}],
                "webhook_hosts": ["localhost"],
            }
        ),
        {"HOOK": b"\xff!".decode("utf-8", "surrogateescape")},
    )
    assert (to.secret, other.secret) == (None, b"\xff!")


def test_a_target_does_not_show_its_secrets() -> None:
    shown = repr(target(f"https://{HOST}/{TOKEN}?{TOKEN}"))
    assert HOST in shown
    assert SECRET not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (TOKEN, "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"ftp://{HOST}/{TOKEN}", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https:///{TOKEN}", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https://{HOST}:0/{TOKEN}", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https://{HOST}:{TOKEN}/", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https://{HOST}:70000/{TOKEN}", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https://[{TOKEN}/", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        ("https://crm..example.com/", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (f"https://{'x' * 64}.com/", "setting 'webhooks.0.url' must be such as https://crm.example.com/hook"),
        (
            f"https://ana:{TOKEN}@{HOST}/",
            "setting 'webhooks.0.url' must have no user, password or #; a secret is in secret_env",
        ),
        (
            f"https://{TOKEN}@{HOST}/",
            "setting 'webhooks.0.url' must have no user, password or #; a secret is in secret_env",
        ),
        (
            f"https://{HOST}\\@{HOST}/",
            "setting 'webhooks.0.url' must have no user, password or #; a secret is in secret_env",
        ),
        (
            f"https://{HOST}/#{TOKEN}",
            "setting 'webhooks.0.url' must have no user, password or #; a secret is in secret_env",
        ),
        (f"https://{HOST}/#", "setting 'webhooks.0.url' must have no user, password or #; a secret is in secret_env"),
        (f"https://{HOST}/{TOKEN} a", "setting 'webhooks.0.url' must be ASCII; write others as %20"),
        (f"https://{HOST}/{TOKEN}\n", "setting 'webhooks.0.url' must be ASCII; write others as %20"),
        (f"https://{HOST}/\x01{TOKEN}", "setting 'webhooks.0.url' must be ASCII; write others as %20"),
        (f"https://{HOST}/ü?{TOKEN}", "setting 'webhooks.0.url' must be ASCII; write others as %20"),
        (
            f"https://evil.example/{TOKEN}",
            "setting 'webhooks.0.url' leads to evil.example, which is not allowed; "
            "if it is right, name it in webhook_hosts",
        ),
        (
            f"https://a.{HOST}/{TOKEN}",
            "setting 'webhooks.0.url' leads to a.crm.example.com, which is not allowed; "
            "if it is right, name it in webhook_hosts",
        ),
        (
            f"http://{HOST}/{TOKEN}",
            "setting 'webhooks.0.url' must be https for crm.example.com: on the way all can read",
        ),
    ],
)
def test_an_address_that_cannot_be_told_is_refused_in_one_sentence(url: str, sentence: str) -> None:
    policy = rules(url, [HOST], secret_env="HOOK")
    with pytest.raises(ConfigError) as caught:
        targets(policy, {"HOOK": SECRET})
    assert str(caught.value) == sentence
    assert caught.value.__context__ is None


def test_http_needs_the_loopback_name_among_the_hosts() -> None:
    policy = rules("http://localhost/", [HOST])
    with pytest.raises(ConfigError, match="leads to localhost, which is not allowed"):
        targets(policy, {})


def test_the_second_hook_is_named_as_the_second() -> None:
    hooks = [{"url": f"https://{HOST}/", "secret_env": "HOOK"}, {"url": "https://evil.example/"}]
    policy = Policy.model_validate({"webhooks": hooks, "webhook_hosts": [HOST]})
    with pytest.raises(ConfigError, match=r"^setting 'webhooks\.1\.url' leads to evil\.example"):
        targets(policy, {"HOOK": SECRET})


@pytest.mark.parametrize("named", [None, "", SECRET])
@pytest.mark.parametrize("environment", [{}, {"HOOK": SECRET}, {SECRET: ""}])
def test_https_needs_a_secret_and_what_is_named_is_not_shown(named: str | None, environment: dict[str, str]) -> None:
    policy = rules(f"https://{HOST}/", [HOST], secret_env=named)
    with pytest.raises(ConfigError) as caught:
        targets(policy, environment)
    assert str(caught.value) == (
        "setting 'webhooks.0.secret_env' must name an environment variable that is set to the secret shared with "
        "crm.example.com"
    )


def test_a_secret_that_is_named_must_be_there_for_a_loopback_name_too() -> None:
    policy = rules("http://localhost/", ["localhost"], secret_env="HOOK")
    with pytest.raises(ConfigError, match=r"^setting 'webhooks\.0\.secret_env' must name an environment"):
        targets(policy, {})


@given(
    st.one_of(st.text(), st.text().map("https://{}".format), st.text().map(f"https://{HOST}/{{}}".format)),
    st.lists(st.text(), max_size=2),
)
@example("https://ª.example/", ["ª.example"])
def test_whatever_an_address_is_it_is_allowed_or_refused(url: str, hosts: list[str]) -> None:
    policy = rules(url, [*hosts, HOST], secret_env="HOOK")
    with suppress(ConfigError):
        [to] = targets(policy, {"HOOK": SECRET})
        assert to.host
        assert to.host.isascii()
        assert to.path.isascii()


# The signature


def test_a_signature_is_what_stripe_would_write() -> None:
    """The digest is OpenSSL's: printf '1795500000.{"a": 1}' | openssl dgst -sha256 -hmac whsec-4711."""
    digest = "5d5d9bc7ab05d1defc48f019cc15d5f05d8517df51898fc9ce13a16d8ec1d62f"
    assert signature(SECRET.encode(), b'{"a": 1}', 1795500000) == f"t=1795500000,v1={digest}"


def test_what_was_signed_is_verified() -> None:
    header = signature(SECRET.encode(), BODY, int(NOW.timestamp()))
    assert verify(SECRET.encode(), BODY, header, NOW)
    for seconds, holds in ((300, True), (-300, True), (301, False), (-301, False)):
        assert verify(SECRET.encode(), BODY, header, NOW + timedelta(seconds=seconds)) is holds
    assert verify(SECRET.encode(), BODY, header, NOW + timedelta(hours=1), tolerance=3600)


def test_a_changed_body_time_or_secret_is_not_verified() -> None:
    now = int(NOW.timestamp())
    header = signature(SECRET.encode(), BODY, now)
    assert not verify(SECRET.encode(), BODY + b" ", header, NOW)
    assert not verify(b"another", BODY, header, NOW)
    assert not verify(SECRET.encode(), BODY, header.replace(f"t={now}", f"t={now + 1}"), NOW)
    assert not verify(SECRET.encode(), BODY, f"t={now},v1={'0' * 64}", NOW)


@given(st.one_of(st.text(), st.from_regex(r"t=[0-9]{0,40},v1=[0-9a-f]{64}", fullmatch=True)))
@example("")
@example(f"t={'9' * 5000},v1={'0' * 64}")
@example(f"t=1{'0' * 12},v1=é{'0' * 63}")
def test_no_other_header_is_verified(header: str) -> None:
    assert not verify(SECRET.encode(), BODY, header, NOW)


@given(st.binary(), st.binary(min_size=1), st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)))
def test_every_signature_is_verified_and_no_digit_of_it_can_be_left_out(
    body: bytes, secret: bytes, at: datetime
) -> None:
    header = signature(secret, body, int(at.timestamp()))
    assert verify(secret, body, header, at)
    assert not verify(secret, body, header[:-1], at)
    assert not verify(secret, body, header.replace("t=", "t=0"), at)


# The pause


def test_a_pause_doubles_from_half_a_minute_to_six_hours() -> None:
    whole = [30.0 * 2**step for step in range(10)] + [21600.0] * 40
    for attempt, seconds in enumerate(whole, start=1):
        assert 0.75 * seconds < pause(attempt, "case-7").total_seconds() <= seconds


def test_twelve_attempts_span_half_a_day_and_sixteen_a_day_and_a_half() -> None:
    for attempts, least, most in ((12, 10.9, 14.5), (16, 28.9, 38.5)):
        for seed in range(50):
            spanned = sum((pause(attempt, str(seed)) for attempt in range(1, attempts)), timedelta())
            assert timedelta(hours=least) < spanned < timedelta(hours=most)


def test_a_pause_is_the_same_again_and_another_for_another_message() -> None:
    assert pause(3, "case-7") == pause(3, "case-7")
    assert len({pause(3, str(seed)) for seed in range(100)}) == 100
    assert pause(12, "case-7") != pause(13, "case-7")


# One attempt, over http on a loopback address


def test_one_post_says_what_it_is_and_who_it_is_from(serving: Callable[..., Receiver]) -> None:
    server = serving()
    assert tried(local(server)) == Sent(True, 200, None, False)
    [(method, path, headers, body)] = server.seen
    assert (method, path, body) == ("POST", f"/hook?token={TOKEN}", BODY)
    assert verify(SECRET.encode(), body, headers.pop("Amends-Signature"), NOW)
    assert headers == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Content-Length": str(len(BODY)),
        "Content-Type": "application/json",
        "User-Agent": "Amends",
        "Amends-Event": "case.opened",
        "Amends-Id": "case-7",
    }


def test_without_a_secret_nothing_is_signed(serving: Callable[..., Receiver]) -> None:
    server = serving()
    [to] = targets(rules(f"http://localhost:{server.port}/", ["localhost"]), {})
    assert tried(to).ok
    assert "Amends-Signature" not in server.seen[0].headers


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_a_receiver_that_says_yes_has_been_told(serving: Callable[..., Receiver], code: int) -> None:
    assert tried(local(serving(status(code)))) == Sent(True, code, None, False)


@pytest.mark.parametrize("code", [102, 408, 425, 429, 500, 502, 503, 504, 599, 999])
def test_a_receiver_that_cannot_now_is_asked_again(serving: Callable[..., Receiver], code: int) -> None:
    assert tried(local(serving(status(code)))) == Sent(False, code, f"127.0.0.1 answered {code}", True)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 413, 422, 451])
def test_a_receiver_that_does_not_want_it_is_not_asked_again(serving: Callable[..., Receiver], code: int) -> None:
    problem = f"127.0.0.1 answered {code}; it is not asked again"
    assert tried(local(serving(status(code)))) == Sent(False, code, problem, False)


@pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_leads_nowhere(serving: Callable[..., Receiver], code: int) -> None:
    inside = serving()
    server = serving(status(code, f"Location: http://127.0.0.1:{inside.port}/{TOKEN}"))
    problem = f"127.0.0.1 answered {code}; redirects are not followed, so give the final address"
    assert tried(local(server)) == Sent(False, code, problem, False)
    assert len(server.seen) == 1
    assert inside.seen == []


def test_a_proxy_of_the_environment_is_not_used(
    serving: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serving(), serving()
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(variable.upper(), f"http://127.0.0.1:{proxy.port}")
    assert tried(local(server)).ok
    assert proxy.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nfirst",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.0 200 OK\r\n\r\nas long as it takes",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        status(200, f"Content-Length: {10**18}"),
    ],
)
def test_an_answer_that_is_cut_after_its_status_counts(serving: Callable[..., Receiver], answer: bytes) -> None:
    assert tried(local(serving(answer))) == Sent(True, 200, None, False)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 2", b"HTTP/2 200 OK\r\n\r\n", b"SSH-2.0 leaving today\r\n", b"\0" * 70_000]
)
def test_what_is_not_http_is_asked_again(serving: Callable[..., Receiver], answer: bytes) -> None:
    problem = "telling 127.0.0.1 failed: it did not answer in HTTP"
    assert tried(local(serving(answer))) == Sent(False, None, problem, True)


def test_who_hangs_up_is_asked_again(serving: Callable[..., Receiver]) -> None:
    problem = "telling 127.0.0.1 failed: Remote end closed connection without response"
    assert tried(local(serving(b""))) == Sent(False, None, problem, True)


def test_who_is_not_there_is_asked_again(serving: Callable[..., Receiver]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        to = target(f"http://127.0.0.1:{free.getsockname()[1]}/")
        assert tried(to) == Sent(False, None, "telling 127.0.0.1 failed: [Errno 111] Connection refused", True)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
)
def test_of_a_giant_answer_hardly_anything_is_read(serving: Callable[..., Receiver], head: bytes) -> None:
    refused, written = threading.Event(), [0]

    def pour(out: BinaryIO) -> None:
        out.write(head)
        try:
            for written[0] in range(10_000):
                out.write(b"x" * 50_000 + b"\r\nX: ")
        except OSError:
            refused.set()

    sent = tried(local(serving(pour)), timeout=60)
    assert sent.ok or sent == Sent(False, None, "telling 127.0.0.1 failed: it did not answer in HTTP", True)
    assert refused.wait(60), "all of 500 MB was taken"


def test_an_answer_that_goes_on_being_none_yet_ends(serving: Callable[..., Receiver]) -> None:
    server, refused = serving(), threading.Event()

    def stall(out: BinaryIO) -> None:
        try:
            out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            server.gone.wait(0.05)
            for _ in range(1_200):
                out.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)
        except OSError:
            refused.set()

    server.answer = stall
    assert tried(local(server), timeout=60).retry
    assert refused.wait(60), "all of 30 MB was taken"


# Deadlines: what would hold us is bounded by the tests' servers, so that a failure fails and does not hang


def dripping(server: Receiver, drop: bytes) -> Callable[[BinaryIO], None]:
    def drip(out: BinaryIO) -> None:
        for _ in range(1_500):
            out.write(drop)
            if server.gone.wait(0.02):
                return

    return drip


@pytest.mark.parametrize(
    ("head", "drop"),
    [(b"", b""), (b"", b"H"), (b"HTTP/1.1 200 OK\r\nX: ", b"x"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
)
def test_a_head_that_does_not_end_is_given_up(serving: Callable[..., Receiver], head: bytes, drop: bytes) -> None:
    server = serving()
    drip = dripping(server, drop)
    server.answer = lambda out: (out.write(head), drip(out))[1]
    assert tried(local(server), timeout=0.3) == Sent(False, None, "telling 127.0.0.1 failed: timed out", True)


def test_a_body_that_does_not_end_is_let_go(serving: Callable[..., Receiver]) -> None:
    server, ended = serving(), threading.Event()
    drip = dripping(server, b"x")

    def answer(out: BinaryIO) -> None:
        out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            drip(out)
        except OSError:
            ended.set()

    server.answer = answer
    assert tried(local(server), timeout=0.3) == Sent(True, 200, None, False)
    assert ended.wait(60)


@pytest.fixture
def deaf() -> Iterator[int]:
    """Yield the port of who takes connections and then neither reads nor writes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_who_does_not_listen_is_given_up(deaf: int) -> None:
    to = target(f"http://127.0.0.1:{deaf}/")
    assert tried(to, timeout=0.3, body=b"x" * 64_000_000) == Sent(
        False, None, "telling 127.0.0.1 failed: timed out", True
    )


def test_who_does_not_shake_hands_is_given_up(deaf: int) -> None:
    sent = tried(target(f"https://127.0.0.1:{deaf}/"), timeout=0.3)
    assert (sent.ok, sent.status, sent.retry) == (False, None, True)
    assert "timed out" in (sent.problem or "")


@pytest.fixture
def full() -> Iterator[int]:
    """Yield the port of who has no room for another connection: Linux lets one wait there, and never answers it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as waiting:
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def test_who_has_no_room_is_given_up_in_time_for_the_next(serving: Callable[..., Receiver], full: int) -> None:
    server = serving()
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (full, server.port)]
    assert tried(target("http://localhost/"), timeout=1, resolve=lambda *_, **__: entries).ok
    sent = tried(target("http://localhost/"), timeout=0.3, resolve=lambda *_, **__: entries[:1])
    assert sent == Sent(False, None, "telling localhost failed: timed out", True)


def test_no_time_is_no_attempt(serving: Callable[..., Receiver]) -> None:
    server = serving()
    assert tried(local(server), timeout=0.0) == Sent(False, None, "telling 127.0.0.1 failed: timed out", True)
    assert server.seen == []


# Where a name leads

SPECIAL = [
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "::/8", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:2::/48", "2001:20::/28"),
    *("2001:db8::/32", "3fff::/20", "4000::/3", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
]
WRAPS: dict[str, Callable[[int], int]] = {
    "mapped": lambda address: 0xFFFF << 32 | address,
    "compatible": lambda address: address,
    "6to4": lambda address: 0x2002 << 112 | address << 80 | 1,
    "nat64": lambda address: 0x64FF9B << 96 | address,
}


@st.composite
def special(draw: st.DrawFn) -> str:
    """Draw an address of no receiver, one of IPv4 perhaps within one of IPv6."""
    address = draw(st.ip_addresses(network=ip_network(draw(st.sampled_from(SPECIAL)))))
    if isinstance(address, IPv4Address) and draw(st.booleans()):
        return str(IPv6Address(WRAPS[draw(st.sampled_from(sorted(WRAPS)))](int(address))))
    # What is within an address of NAT64 or a mapped one is judged by itself.
    public = isinstance(address, IPv6Address) and int(address) >> 32 in (0xFFFF, 0x64FF9B << 64)
    return "::1" if public else str(address)


@given(special(), st.booleans())
@example("169.254.169.254", True)
@example("192.0.0.192", True)
@example("::ffff:127.0.0.1", True)
@example("fe80::1%eth0", True)
@example("2002:7f00:1::1", True)
@example("64:ff9b::a00:1", True)
@example("2001:0:7f00:1::1", True)
def test_an_address_inside_is_told_nothing_even_as_one_of_several(address: str, first: bool) -> None:
    both = (address, PUBLIC) if first else (PUBLIC, address)
    problem = f"crm.example.com leads to {address}, which is not allowed; nothing was sent"
    assert tried(target(f"https://{HOST}/"), resolve=resolving(*both)) == Sent(False, None, problem, True)


@given(st.ip_addresses().filter(lambda address: not address.is_loopback).map(str))
@example("10.0.0.1")
@example(PUBLIC)
@example("::ffff:10.0.0.1")
def test_a_loopback_name_leads_to_a_loopback_address_alone(address: str) -> None:
    if address.startswith("::ffff:7f"):
        return
    problem = f"localhost leads to {address}, which is not allowed; nothing was sent"
    sent = tried(target("http://localhost/"), resolve=resolving("127.0.0.1", address))
    assert sent == Sent(False, None, problem, True)


@pytest.mark.parametrize(
    "address",
    [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808", "192.0.1.1"],
)
def test_an_address_of_the_internet_is_connected_to_as_it_was_checked(
    internet: Callable[..., Any], address: str
) -> None:
    asked = internet()
    problem = "telling crm.example.com failed: [Errno 111] Connection refused"
    sent = tried(target(f"https://{HOST}:8443/"), resolve=resolving(address))
    assert sent == Sent(False, None, problem, True)
    assert asked == [(address, 8443)]


def test_each_address_is_tried_until_one_answers(serving: Callable[..., Receiver], deaf: int) -> None:
    server = serving()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()
        entries = [
            (-1, socket.SOCK_STREAM, 6, "", closed),  # a family that this machine does not have
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", closed),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", deaf)),
        ]
        assert tried(target("http://localhost:1/"), resolve=lambda *_, **__: entries).ok
    assert server.seen[0].headers["Host"] == "localhost:1"


def test_a_name_is_looked_up_once(serving: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch) -> None:
    """The next who looks is told 10.0.0.1; nothing below `send` looks again by another way."""
    server = serving()
    monkeypatch.setattr(socket, "getaddrinfo", None)
    monkeypatch.setattr(socket, "gethostbyname", None)
    resolve = resolving("127.0.0.1")
    assert tried(target(f"http://localhost:{server.port}/"), resolve=resolve).ok
    assert len(server.seen) == 1
    assert resolve("localhost", 1)[0][4] == ("10.0.0.1", 1)


def test_a_name_that_is_not_found_is_looked_up_again_later() -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    problem = f"telling crm.example.com failed: [Errno {socket.EAI_NONAME}] Name or service not known"
    assert tried(target(f"https://{HOST}/"), resolve=unknown) == Sent(False, None, problem, True)
    problem = "telling crm.example.com failed: the name has no address"
    assert tried(target(f"https://{HOST}/"), resolve=lambda *_, **__: []) == Sent(False, None, problem, True)


# Under TLS


class Authority:
    """Who signs certificates that the tests trust."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of a test")])
        self.file = folder / "authority.pem"
        self.file.write_bytes(self._signed(self._name, self._key, authority=True))

    def context(self, host: str, *, day: datetime | None = None) -> ssl.SSLContext:
        """Return what a server needs to be `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        chain = self._folder / f"{host}.pem"
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain.write_bytes(secret + self._signed(name, key, authority=False, day=day))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool, day: datetime | None = None
    ) -> bytes:
        day = day or datetime.now(UTC)
        host = str(name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
        made = x509.CertificateBuilder(
            subject_name=name,
            issuer_name=self._name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=day - timedelta(days=1),
            not_valid_after=day + timedelta(days=1),
        )
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        ) | {"digital_signature": True, "key_cert_sign": authority, "encipher_only": False, "decipher_only": False}
        made = (
            made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if not authority:
            made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Return an authority that this machine trusts, as one trusts a firm's own: by a setting of OpenSSL."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def test_a_receiver_is_known_by_its_name_at_the_address_that_was_checked(
    serving: Callable[..., Receiver], authority: Authority, internet: Callable[..., Any]
) -> None:
    context, names = authority.context(HOST), list[str | None]()
    context.sni_callback = lambda _channel, name, _context: names.append(name)
    server = serving(tls=context)
    asked = internet(server)
    assert tried(target(f"https://{HOST}/hook"), resolve=resolving(PUBLIC)) == Sent(True, 200, None, False)
    assert asked == [(PUBLIC, 443)]
    assert names == [HOST]
    assert server.seen[0].headers["Host"] == HOST
    assert server.seen[0].body == BODY


def test_who_is_one_of_many_has_all_the_time_to_shake_hands(
    serving: Callable[..., Receiver], authority: Authority
) -> None:
    context = authority.context("localhost")
    context.sni_callback = lambda *_: time.sleep(0.5)
    server = serving(tls=context)
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))] * 100
    assert tried(target("https://localhost/"), timeout=20, resolve=lambda *_, **__: entries).ok
    assert len(server.seen) == 1


def test_a_giant_answer_under_tls_is_let_go(serving: Callable[..., Receiver], authority: Authority) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    server = serving(head + b"x" * (4 * ANSWER_BYTES), authority.context("localhost"))
    to = target(f"https://localhost:{server.port}/")
    assert tried(to, resolve=resolving("127.0.0.1")) == Sent(True, 200, None, False)


@pytest.mark.parametrize(
    ("named", "trusted", "day", "why"),
    [
        ("other.example.com", True, None, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("localhost", False, None, "unable to get local issuer certificate"),
        ("localhost", True, datetime(2020, 1, 1, tzinfo=UTC), "certificate has expired"),
    ],
)
def test_a_certificate_that_does_not_hold_gets_nothing(
    serving: Callable[..., Receiver],
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    trusted: bool,
    day: datetime | None,
    why: str,
) -> None:
    if not trusted:
        monkeypatch.delenv("SSL_CERT_FILE")
    server = serving(tls=authority.context(named, day=day))
    sent = tried(target(f"https://localhost:{server.port}/"), resolve=resolving("127.0.0.1"))
    assert (sent.ok, sent.status, sent.retry) == (False, None, True)
    assert (sent.problem or "").startswith("telling localhost failed: [SSL: CERTIFICATE_VERIFY_FAILED] ")
    assert why in (sent.problem or "")
    assert server.seen == []


def test_who_does_not_speak_tls_gets_nothing(serving: Callable[..., Receiver]) -> None:
    server = serving()
    sent = tried(target(f"https://localhost:{server.port}/"), resolve=resolving("127.0.0.1"), timeout=5)
    assert (sent.ok, sent.status, sent.retry) == (False, None, True)
    assert server.seen == []

"""Telling another system of an event: whom, how it knows that it is us, one attempt, and the pause before the next.

Rules may be wrong and a receiver hostile: it must be allowed by name, its addresses be public, its answer soon over.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import idna

from pipeline.config import ConfigError
from pipeline.followup.policy import Policy, Webhook

Entry = tuple[Any, Any, int, str, tuple[Any, ...]]  # family, type, protocol, name, address: as getaddrinfo answers
ANSWER_BYTES = 64 * 1024
_PORTS = {"https": 443, "http": 80}
_LOOPBACK = ("localhost", "127.0.0.1")
# What the `is_global` of some Python lets pass: protocols' (Teredo), relays', groups', examples', not yet anybody's.
_NOT_HOSTS = ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "2001::/23", "3fff::/20", "::/3", "4000::/2", "8000::/1")


@dataclass(frozen=True)
class Target:
    """One address that is told; its URL often holds a secret too, and is not shown either."""

    url: str = field(repr=False)
    host: str
    port: int
    path: str = field(repr=False)
    scheme: str
    events: tuple[str, ...]
    secret: bytes | None = field(repr=False)


class Sent(NamedTuple):
    """What came of one attempt; `problem` is a short sentence that holds neither body nor answer."""

    ok: bool
    status: int | None
    problem: str | None
    retry: bool


def targets(policy: Policy, environment: Mapping[str, str]) -> list[Target]:
    """Return the addresses that are told, in the order of `policy`, with the secrets that `environment` holds.

    Raises
    ------
    ConfigError
        An address, its host or its secret cannot be used; the sentence shows nothing of an address but its host.
    """
    hosts = {_host(name) for name in policy.webhook_hosts}
    return [_target(hook, f"webhooks.{at}", hosts, environment) for at, hook in enumerate(policy.webhooks)]


def _target(hook: Webhook, where: str, hosts: set[str], environment: Mapping[str, str]) -> Target:
    try:
        parts = urlsplit(hook.url)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    host = _host(parts.hostname or "")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    secret = environment.get(hook.secret_env or "", "").encode("utf-8", "surrogateescape") or None
    forgeable = secret is None and (parts.scheme == "https" or hook.secret_env)
    # Neither an address nor what `secret_env` names is shown: a secret may be in the one and, by mistake, be the other.
    for wrong, key, what in (
        (not (parts.scheme in _PORTS and host and port), "url", "must be such as https://crm.example.com/hook"),
        ("@" in parts.netloc or "#" in hook.url, "url", "must have no user, password or #; a secret is in secret_env"),
        (not re.fullmatch("[!-~]+", path) or re.search(r"\s", hook.url), "url", "must be ASCII; write others as %20"),
        (host not in hosts, "url", f"leads to {host}, which is not allowed; if it is right, name it in webhook_hosts"),
        (parts.scheme == "http" and host not in _LOOPBACK, "url", f"must be https for {host}: on the way all can read"),
        (forgeable, "secret_env", f"must name an environment variable that is set to the secret shared with {host}"),
    ):
        if wrong:
            raise ConfigError(f"setting '{where}.{key}' {what}")
    return Target(hook.url, host, port, path, parts.scheme, tuple(hook.events), secret)


def _host(name: str) -> str:
    """Return a host as it is compared and looked up, in ASCII (IDNA 2008), or "" if it is none."""
    with suppress(idna.IDNAError):
        return idna.encode(name, uts46=True).decode()
    return ""


def signature(secret: bytes, body: bytes, timestamp: int) -> str:
    """Return the header ``Amends-Signature`` of a body sent at `timestamp` (Unix seconds), as Stripe writes it."""
    # https://docs.stripe.com/webhooks#verify-manually: the time is signed too, so that no old call can be sent again.
    digest = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def verify(secret: bytes, body: bytes, header: str, now: datetime, tolerance: float = 300) -> bool:
    """Return whether `header` signs `body`, at most `tolerance` seconds before or after `now`; for receivers."""
    found = re.fullmatch(r"t=([0-9]{1,12}),v1=[0-9a-f]{64}", header)
    if not found or abs(now.timestamp() - int(found[1])) > tolerance:
        return False
    return hmac.compare_digest(signature(secret, body, int(found[1])), header)


def pause(attempt: int, seed: str) -> timedelta:
    """Return how long to wait after the failed attempt `attempt` (the first is 1): 30 s, 1 min, 2 min ... 6 h.

    Up to a quarter of it is left out, by a hash, so that what failed together does not come back together. The 11
    pauses of 12 attempts add up to between 10.9 and 14.5 hours; those of 16 attempts, to between 28.9 and 38.5.
    """
    share = int.from_bytes(hashlib.sha256(f"{seed}:{attempt}".encode()).digest()[:8]) / 2**64
    return timedelta(seconds=min(30 * 2 ** (attempt - 1), 6 * 60 * 60) * (1 - share / 4))


def send(
    target: Target,
    event: str,
    message_id: str,
    body: bytes,
    *,
    now: datetime,
    timeout: float = 10.0,
    resolve: Callable[..., list[Entry]] = socket.getaddrinfo,
) -> Sent:
    """Return what came of one POST of `body` (JSON), signed at `now`; only an address that was checked gets it.

    The status alone counts: once it was read, an answer that is cut, slow or huge is let go. All is over after
    `timeout` seconds, but for the look-up of the name, whose limit is the system's.
    """
    until, host = time.monotonic() + timeout, target.host
    headers = {"Content-Type": "application/json", "User-Agent": "Amends", "Connection": "close"}
    headers |= {"Amends-Event": event, "Amends-Id": message_id}
    headers |= {"Amends-Signature": signature(target.secret, body, int(now.timestamp()))} if target.secret else {}
    try:
        entries = resolve(host, target.port, type=socket.SOCK_STREAM)
        if refused := [where[0] for *_, where in entries if not _may_be_told(host, where[0])]:
            return Sent(False, None, f"{host} leads to {refused[0]}, which is not allowed; nothing was sent", True)
        with _connected(target, entries, until) as channel:
            connection = HTTPConnection(host, target.port)
            connection.default_port, connection.sock = _PORTS[target.scheme], channel
            connection.request("POST", target.path, body, headers)
            with HTTPResponse(_Answer(channel, until), method="POST") as answer:  # type: ignore[arg-type]
                answer.begin()
                with suppress(OSError, HTTPException):
                    answer.read(ANSWER_BYTES)
    except (OSError, HTTPException) as error:
        why = str(error) if isinstance(error, OSError) else "it did not answer in HTTP"
        return Sent(False, None, f"telling {host} failed: {why}", True)
    said, retry = f"{host} answered {answer.status}", answer.status in (408, 425, 429) or not 200 <= answer.status < 500
    if retry or answer.status < 300:
        return Sent(not retry, answer.status, said if retry else None, retry)
    why = "it is not asked again" if answer.status >= 400 else "redirects are not followed, so give the final address"
    return Sent(False, answer.status, f"{said}; {why}", False)


def _may_be_told(host: str, text: str) -> bool:
    """Return whether an address is of the public internet, or, for a loopback name, a loopback address."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        nat64 = ip_address(int(address) & 0xFFFFFFFF) if address in ip_network("64:ff9b::/96") else None
        address = address.ipv4_mapped or address.sixtofour or nat64 or address
    if host in _LOOPBACK:
        return address.is_loopback
    return address.is_global and not any(address in ip_network(network) for network in _NOT_HOSTS)


def _connected(target: Target, entries: list[Entry], until: float) -> socket.socket:
    """Return a connection, under TLS for https, to the first address that takes one; each has its share of the time."""
    failed: OSError = socket.gaierror("the name has no address")
    for place, (family, kind, protocol, _, where) in enumerate(entries):
        try:
            with ExitStack() as opened:
                channel = opened.enter_context(socket.socket(family, kind, protocol))
                channel.settimeout(_left(until) / (len(entries) - place))
                channel.connect(where)
                channel.settimeout(_left(until))
                if target.scheme == "https":
                    channel = ssl.create_default_context().wrap_socket(channel, server_hostname=target.host)
                opened.pop_all()
                return channel
        except OSError as error:
            failed = error
    raise failed


class _Answer(io.RawIOBase):
    """What `http.client` reads from, until 64 KiB or the time are used up; a socket's own starts with every byte."""

    def __init__(self, channel: socket.socket, until: float) -> None:
        self._channel, self._until, self._room = channel, until, ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._channel.settimeout(_left(self._until))
        size = self._channel.recv_into(buffer, min(len(buffer), self._room)) if self._room else 0
        self._room -= size
        return size

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


def _left(until: float) -> float:
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError("timed out")
    return left

"""Who may send what: the right host, the same origin, our own token; and headers that keep a page to itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# `same-origin`, not `no-referrer`: with that, Chromium sends `Origin: null` with our own forms.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """An ASGI layer around everything: it refuses other hosts (against DNS rebinding) and sets the headers.

    `site` is the address of the desk as people see it; without one, it answers to names of this machine alone.
    `refuse` answers a request that is refused.
    """

    def __init__(self, app: ASGIApp, *, site: str | None, refuse: Callable[[Request], Response]) -> None:
        self.app, self.refuse = app, refuse
        self.host = bare_host(urlsplit(site).netloc) if site else ""
        self.headers = headers_for(site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        app: Callable[[Scope, Receive, Send], Awaitable[None]] = self.app
        host = bare_host(Headers(scope=scope).get("host", ""))
        # What asks whether we are alive and ready knows us by the address of a machine.
        if scope["path"] not in ("/healthz", "/readyz") and host != self.host and not is_loopback(host):
            app = self.refuse(Request(scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers[name] = value
                # Pages hold what customers wrote: nothing but the style and the script may be kept.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, guarded)


def headers_for(site: str | None) -> dict[str, str]:
    """Return the headers of every answer of the desk at `site`."""
    return HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if _secure(site) else {})


def bare_host(host: str) -> str:
    """Return the host without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()


def is_loopback(host: str) -> bool:
    """Return whether `host` is a name or an address of this machine alone; a rebound name is never an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host[1:-1] if host.startswith("[") else host).is_loopback
    except ValueError:
        return False


def same_origin(request: Request) -> bool:
    """Return whether a browser says that one of our own pages sent this; a request that says nothing does not count."""
    fetched = request.headers.get("sec-fetch-site")
    host = request.headers.get("host", "").lower()
    # Behind a proxy that speaks TLS for us, a request comes to us without it.
    site = getattr(request.app.state, "site", None)
    secure = _secure(site) and host == urlsplit(str(site)).netloc.lower()
    ours = ("https" if secure else request.url.scheme, host)
    said = [fetched == "same-origin"] if fetched is not None else []
    for header in ("origin", "referer"):
        value = request.headers.get(header)
        if value is not None:
            said.append(_origin(value) == ours)
    return bool(said) and all(said)


def _secure(site: str | None) -> bool:
    return bool(site) and str(site).startswith("https://")


def _origin(value: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()

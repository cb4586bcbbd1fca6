"""Who may send what: the right host, the same origin, our own token; and headers that keep a page to itself."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action 'self'; "
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

    `loopback` is false where nothing that needs protection is served. `refuse` answers a request that is refused.
    """

    def __init__(self, app: ASGIApp, *, loopback: bool, refuse: Callable[[Request], Response]) -> None:
        self.app, self.loopback, self.refuse = app, loopback, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        app: Callable[[Scope, Receive, Send], Awaitable[None]] = self.app
        if self.loopback and not is_loopback(bare_host(Headers(scope=scope).get("host", ""))):
            app = self.refuse(Request(scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                # Pages hold what customers wrote: nothing but the style and the script may be kept.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await app(scope, receive, guarded)


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
    site = request.headers.get("sec-fetch-site")
    ours = (request.url.scheme, request.headers.get("host", "").lower())
    said = [site == "same-origin"] if site is not None else []
    for header in ("origin", "referer"):
        value = request.headers.get(header)
        if value is not None:
            said.append(_origin(value) == ours)
    return bool(said) and all(said)


def check_form(request: Request, sent: str, token: str) -> None:
    """Pass a form that one of our pages sent with this process's token.

    Raises
    ------
    HTTPException
        403, with what to do.
    """
    if not same_origin(request):
        raise HTTPException(403, "This change did not come from a page of the desk, so nothing was changed.")
    if not hmac.compare_digest(sent.encode(), token.encode()):
        raise HTTPException(403, "The desk was started anew since this page was opened. Reload the page and try again.")


def _origin(value: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return parts.scheme, parts.netloc.lower()

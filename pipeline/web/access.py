"""Who may: every address with the roles that may use it; what is not in the table is for nobody."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import HTTPException, Request

from pipeline.followup.audit import Actor
from pipeline.followup.people import User, key_scopes
from pipeline.followup.sessions import session_user
from pipeline.followup.store import Store
from pipeline.web.body import form_body
from pipeline.web.guard import same_origin
from pipeline.web.language import chosen

COOKIE = "__Host-amends"
# Safari takes no `Secure` cookie from a server on this machine without TLS; a demo, which is just that, has one more.
DEMO_COOKIE = "amends-demo"
ANYBODY = frozenset({"nobody", "agent", "lead", "admin"})
TEAM = frozenset({"agent", "lead", "admin"})
LEADS = frozenset({"lead", "admin"})
ADMINS = frozenset({"admin"})

ACCESS: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/docs"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
    ("POST", "/v1/score"): frozenset({"key:score"}),
    ("GET", "/v1/escalations"): frozenset({"key:read"}),
    ("POST", "/v1/feedback"): frozenset({"key:feedback"}),
    ("GET", "/sign-in"): ANYBODY,
    ("POST", "/sign-in"): ANYBODY,
    ("GET", "/enter/{token}"): ANYBODY,
    ("GET", "/oidc/begin"): ANYBODY,
    ("GET", "/oidc/finish"): ANYBODY,
    ("GET", "/calendar/{token}"): ANYBODY,  # the address is the secret: a calendar cannot sign in
    ("POST", "/sign-out"): TEAM,
    ("GET", "/account"): TEAM,
    ("POST", "/account/password"): TEAM,
    ("POST", "/account/language"): TEAM,
    ("POST", "/account/calendar"): TEAM,
    ("GET", "/"): TEAM,
    ("GET", "/counts"): TEAM,
    ("POST", "/take-next"): TEAM,
    ("POST", "/views"): TEAM,
    ("POST", "/views/{view_id}/remove"): TEAM,
    ("GET", "/export.csv"): TEAM,
    ("GET", "/export.xlsx"): TEAM,
    ("GET", "/cases/{case_id}"): TEAM,
    ("POST", "/cases/{case_id}/{action}"): TEAM,
    ("GET", "/thanks"): TEAM,
    ("POST", "/thanks/{promoter_id}"): TEAM,
    ("GET", "/ask"): TEAM,
    ("POST", "/ask/{case_id}"): TEAM,
    ("GET", "/ledger"): TEAM,
    ("GET", "/log"): ADMINS,
}


@dataclass(frozen=True)
class Visitor:
    """Who sends a request: a user, a program with a key, or nobody."""

    name: str = ""
    role: str = "nobody"
    rights: frozenset[str] = frozenset({"nobody"})
    user: User | None = None
    language: str = "en"
    origin: str = ""

    @property
    def actor(self) -> Actor:
        """Who acts, as the audit log has it."""
        return Actor(self.name, self.origin)

    @property
    def leads(self) -> bool:
        """Whether second failures are theirs to take."""
        return self.user is not None and self.user.leads


@dataclass(frozen=True)
class Door:
    """Finds out who sends a request and whether they may; a demo lets programs on this machine in without a key."""

    store: Store
    demo: bool

    def admit(self, request: Request) -> None:
        """Put the visitor into ``request.state``.

        Raises
        ------
        HTTPException
            401 for a program without a right key, 303 to the sign-in page for a person, 403 for who may not.
        """
        visitor = self.visitor(request)
        request.state.visitor = visitor
        route = request.scope.get("route")
        allowed = ACCESS.get((request.method, getattr(route, "path", "")), frozenset())
        if visitor.rights & allowed:
            return
        if request.url.path.startswith("/v1/"):
            if visitor.role == "nobody":
                raise HTTPException(
                    401, "send a key: Authorization: Bearer amends_...; make one with: serve.py key add"
                )
            raise HTTPException(403, "this key may not do this; its scopes are others")
        if visitor.role != "nobody" or not allowed:
            raise HTTPException(403, "This is not for your role; ask whoever runs the desk.")
        if request.method != "GET":
            raise HTTPException(403, "You are no longer signed in, so nothing was changed. Sign in and try again.")
        raise HTTPException(
            303, "you are no longer signed in; go to /sign-in", {"Location": f"/sign-in?next={quote(_here(request))}"}
        )

    def visitor(self, request: Request) -> Visitor:
        """Return who sends `request`."""
        origin = request.client.host if request.client else ""
        accepted = request.headers.get("accept-language", "")
        if request.url.path.startswith("/v1/"):
            return self._program(request, origin)
        user = next(filter(None, (self._user(request, name) for name in self.cookies)), None)
        language = chosen(accepted, user.language if user else None)
        if user is None:
            return Visitor(language=language, origin=origin)
        return Visitor(user.name, user.role, frozenset({user.role}), user, language, origin)

    @property
    def cookies(self) -> tuple[str, ...]:
        """The names of the cookies that may hold a session."""
        return (COOKIE, DEMO_COOKIE) if self.demo else (COOKIE,)

    def _user(self, request: Request, cookie: str) -> User | None:
        token = request.cookies.get(cookie)
        return session_user(self.store, token) if token else None

    def _program(self, request: Request, origin: str) -> Visitor:
        kind, _, key = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and key:
            known = key_scopes(self.store, key.strip())
            if known is None:
                return Visitor(origin=origin)
            name, scopes = known
            return Visitor(f"key {name}", "service", frozenset(f"key:{scope}" for scope in scopes), origin=origin)
        if self.demo:
            every = frozenset({"key:score", "key:read", "key:feedback"})
            return Visitor("demo program", "service", every, origin=origin)
        return Visitor(origin=origin)


def visitor_of(request: Request) -> Visitor:
    """Return who sends `request`, as `Door.admit` found."""
    visitor: Visitor = getattr(request.state, "visitor", Visitor())
    return visitor


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form that one of our own pages sent for the session at hand.

    Raises
    ------
    HTTPException
        403 with what to do; 413, 415 and 422 as `form_body`.
    """
    fields = await form_body(request)
    user = visitor_of(request).user
    expected = user.csrf if user else request.app.state.token
    if not same_origin(request):
        raise HTTPException(403, "This change did not come from a page of the desk, so nothing was changed.")
    if not hmac.compare_digest(fields.pop("token", "").encode(), expected.encode()):
        raise HTTPException(403, "You have signed in anew since this page was opened. Reload the page and try again.")
    return fields


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")

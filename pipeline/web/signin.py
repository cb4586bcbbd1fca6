"""Coming in and going out: passwords, one-time links, single sign-on, and one's own account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.followup import people, sessions
from pipeline.followup.case import PlainError
from pipeline.followup.sessions import RefusedError
from pipeline.web.access import COOKIE, DEMO_COOKIE, form, visitor_of
from pipeline.web.desk import Desk
from pipeline.web.language import languages
from pipeline.web.oidc import Oidc, welcome
from pipeline.web.pages import address_of, sentence_of

_STATE = "__Host-amends-oidc"


def signin_routes(desk: Desk, oidc: Oidc | None) -> APIRouter:
    """Return the routes of coming in and going out."""
    router = APIRouter(include_in_schema=False)

    @router.get("/sign-in")
    def shown(request: Request, next: str = "/") -> Response:
        if visitor_of(request).user:
            return RedirectResponse(_inside(next), 303)
        return _page(desk, request, oidc, goes_to=_inside(next))

    @router.post("/sign-in")
    async def sign_in(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        name, password = fields.get("name", "").strip(), fields.get("password", "")
        goes_to = _inside(fields.get("next", "/"))
        try:
            token = await run_in_threadpool(sessions.sign_in, desk.store, name, password, visitor_of(request).origin)
        except RefusedError as error:
            return _page(desk, request, oidc, 403, goes_to=goes_to, name=name, problem=sentence_of(request, error))
        await run_in_threadpool(_leave, desk, request)
        return _entered(desk, goes_to, token)

    @router.get("/enter/{token}")
    def enter(request: Request, token: str) -> Response:
        try:
            session = sessions.enter(desk.store, token, visitor_of(request).origin)
        except RefusedError as error:
            return _page(desk, request, oidc, 403, problem=sentence_of(request, error))
        _leave(desk, request)
        return _entered(desk, "/", session)

    @router.post("/sign-out")
    async def sign_out(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        await run_in_threadpool(_leave, desk, request)
        answer = RedirectResponse("/sign-in", 303)
        for name in _sent(request):
            answer.delete_cookie(name, path="/", secure=name == COOKIE, httponly=True, samesite="lax")
        return answer

    return router


def oidc_routes(desk: Desk, oidc: Oidc | None) -> APIRouter:
    """Return the routes of single sign-on."""
    router = APIRouter(include_in_schema=False)

    @router.get("/oidc/begin")
    def begin(request: Request) -> Response:
        if oidc is None:
            raise HTTPException(404, "Single sign-on is not set up here.")
        try:
            address, state = oidc.begin()
        except RefusedError as error:
            return _page(desk, request, oidc, 403, problem=sentence_of(request, error))
        answer = RedirectResponse(address, 303)
        answer.set_cookie(_STATE, state, max_age=600, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    @router.get("/oidc/finish")
    def finish(request: Request) -> Response:
        if oidc is None:
            raise HTTPException(404, "Single sign-on is not set up here.")
        try:
            vouched = oidc.finish(request.query_params, request.cookies.get(_STATE, ""))
            answer = _entered(desk, "/", welcome(desk.store, vouched, visitor_of(request).origin))
            _leave(desk, request)
        except RefusedError as error:
            answer = _page(desk, request, oidc, 403, problem=sentence_of(request, error))
        answer.delete_cookie(_STATE, path="/", secure=True, httponly=True, samesite="lax")
        return answer

    return router


def account_routes(desk: Desk) -> APIRouter:
    """Return the routes of one's own account."""
    router = APIRouter(include_in_schema=False, prefix="/account")

    @router.get("")
    def shown(request: Request) -> HTMLResponse:
        return desk.pages.show(request, "account.html", problem="", done="", feed=None)

    @router.post("/password")
    async def password(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        visitor = visitor_of(request)
        try:
            token = await run_in_threadpool(
                sessions.change_password, desk.store, visitor.actor, fields.get("old", ""), fields.get("new", "")
            )
        except PlainError as error:
            problem = sentence_of(request, error)
            return desk.pages.show(request, "account.html", 422, problem=problem, done="", feed=None)
        return _entered(desk, "/account", token)

    @router.post("/language")
    async def language(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        wanted = fields.get("language", "")
        if wanted not in ("", *languages()):
            raise HTTPException(422, "There is no such language here.")
        visitor = visitor_of(request)
        await run_in_threadpool(
            lambda: people.change_user(desk.store, visitor.actor, visitor.name, language=wanted or None)
        )
        return RedirectResponse("/account", 303)

    @router.post("/calendar")
    async def calendar(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        token = await run_in_threadpool(people.new_feed, desk.store, visitor_of(request).actor)
        address = f"{address_of(request)}/calendar/{token}.ics"
        return desk.pages.show(request, "account.html", problem="", done="", feed=address)

    return router


def _page(
    desk: Desk, request: Request, oidc: Oidc | None, status: int = 200, *, goes_to: str = "/", name: str = "",
    problem: str = "",
) -> HTMLResponse:  # fmt: skip
    return desk.pages.show(request, "signin.html", status, goes_to=goes_to, name=name, problem=problem, oidc=bool(oidc))


def _sent(request: Request) -> list[str]:
    return [name for name in (COOKIE, DEMO_COOKIE) if request.cookies.get(name)]


def _leave(desk: Desk, request: Request) -> None:
    """End the sessions that `request` came with: who comes in anew leaves no way in behind."""
    for name in _sent(request):
        sessions.sign_out(desk.store, request.cookies[name])


def _entered(desk: Desk, goes_to: str, token: str) -> Response:
    """Return the way on, with the new session in a cookie that no script and no other site can read."""
    answer = RedirectResponse(goes_to, 303)
    age = int(desk.store.policy.sign_in.session_hours * 3600)
    answer.set_cookie(COOKIE, token, max_age=age, path="/", secure=True, httponly=True, samesite="lax")
    if desk.pages.demo:
        answer.set_cookie(DEMO_COOKIE, token, max_age=age, path="/", httponly=True, samesite="strict")
    return answer


def _inside(address: str) -> str:
    """Return `address` where it is one of ours, or else that of the queue: no link may lead elsewhere."""
    inside = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if inside and "\\" not in address else "/"

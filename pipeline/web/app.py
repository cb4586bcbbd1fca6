"""The web application: the desk for people, the API for programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from models.promise import Promise
from models.schema import Schema
from pipeline.config import load
from pipeline.followup import playbooks
from pipeline.followup.case import ConflictError, PlainError, UnknownCaseError
from pipeline.followup.promoters import UnknownPromoterError
from pipeline.followup.sessions import RefusedError
from pipeline.followup.store import Store
from pipeline.web.access import Door
from pipeline.web.api import PlainJSON, api
from pipeline.web.casepage import case_routes
from pipeline.web.desk import Desk
from pipeline.web.display import Display
from pipeline.web.docs import operations
from pipeline.web.guard import Guard, headers_for
from pipeline.web.language import languages
from pipeline.web.oidc import Oidc
from pipeline.web.pages import STATIC, Pages, address_of, sentence_of, wants_json
from pipeline.web.queuepage import queue_routes
from pipeline.web.reports import aftercare_routes, report_routes, thanks_routes
from pipeline.web.scorer import Scorer
from pipeline.web.signin import account_routes, oidc_routes, signin_routes

LOG = logging.getLogger(__name__)
SENTENCES = {
    400: "This server answers only to its own address; set it as `site` in configs/desk.yaml.",
    404: "Nothing lives at this address.",
    405: "This address cannot be used in that way.",
    422: "This address asks for something that there is not.",
    500: "Please try again; if it stays like this, tell whoever runs this server.",
}
_STATUS = {UnknownCaseError: 404, UnknownPromoterError: 404, ConflictError: 409, RefusedError: 403}


class KeptFiles(StaticFiles):
    """The style and the script, which a browser may keep: their address changes when they do."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return the file, to be kept for a year."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(
    *,
    store: Store,
    scorer: Scorer,
    demo: bool = False,
    display: Display | None = None,
    schema: Schema | None = None,
    promise: Callable[[], Promise | None] = lambda: None,
    oidc: Oidc | None = None,
) -> FastAPI:
    """Return the application; in a `demo`, programs need no key, and every page says that it is one.

    `schema` has the heads by which cases are filtered and corrected, `promise` what the last night promises.
    """
    pages = Pages(demo)
    books = {language: playbooks.load(store.policy.playbooks, language) for language in languages()}
    desk = Desk(store, pages, display or Display(), schema or load().schema_(), books, promise)
    door = Door(store, demo)
    app = FastAPI(
        title="Amends", version="1", description="Who to call first, and why.", docs_url=None, redoc_url=None,
        openapi_url=None, dependencies=[Depends(door.admit)],
    )  # fmt: skip
    app.state.token, app.state.site = pages.token, store.policy.site
    app.include_router(api(store, scorer, desk.changed))
    for routes in (queue_routes, case_routes, report_routes, thanks_routes, aftercare_routes, account_routes):
        app.include_router(routes(desk))
    app.include_router(signin_routes(desk, oidc))
    app.include_router(oidc_routes(desk, oidc))
    app.mount("/static", KeptFiles(directory=STATIC), name="static")

    @app.get("/openapi.json", include_in_schema=False)
    def described() -> PlainJSON:
        return PlainJSON(app.openapi())

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        return pages.show(request, "docs.html", operations=list(operations(app.openapi(), address_of(request))))

    _explain_errors(app, pages, door)
    app.add_middleware(Guard, site=store.policy.site, refuse=lambda request: _refused(pages, request))
    return app


def _explain_errors(app: FastAPI, pages: Pages, door: Door) -> None:
    def answer(
        request: Request, status: int, sentence: str, headers: MutableMapping[str, str] | None = None
    ) -> Response:
        json = wants_json(request)
        response = PlainJSON({"detail": sentence}, status) if json else pages.error(request, status, sentence)
        response.headers.update(headers or {})
        return response

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        if not hasattr(request.state, "visitor"):  # no route was met, so nobody was asked who they are
            request.state.visitor = door.visitor(request)
        headers = dict(error.headers or {})
        if error.status_code == 303 and not wants_json(request):
            return RedirectResponse(headers["Location"], 303)
        status = 401 if error.status_code == 303 else error.status_code
        plain = error.detail in ("Not Found", "Method Not Allowed")
        return answer(request, status, SENTENCES[status] if plain else error.detail, headers)

    @app.exception_handler(PlainError)
    def told(request: Request, error: PlainError) -> Response:
        return answer(request, _STATUS.get(type(error), 422), sentence_of(request, error))

    @app.exception_handler(RequestValidationError)
    def misread(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return answer(request, 404, SENTENCES[404])
        if not wants_json(request):
            return answer(request, 422, SENTENCES[422])
        message = str(first["msg"])
        return answer(request, 422, f"{first['loc'][-1]}: {message[:1].lower()}{message[1:]}.")

    @app.exception_handler(Exception)
    def broke(request: Request, error: Exception) -> Response:
        # The type alone: a message could quote a customer. The server's own log has the rest.
        LOG.error("%s failed: %s", request.method, type(error).__name__)
        # This answer is made outside of the guard.
        return answer(request, 500, SENTENCES[500], headers_for(request.app.state.site) | {"Cache-Control": "no-store"})


def _refused(pages: Pages, request: Request) -> Response:
    json = wants_json(request)
    return PlainJSON({"detail": SENTENCES[400]}, 400) if json else pages.error(request, 400, SENTENCES[400])

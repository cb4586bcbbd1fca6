"""The web application: the desk for people, the API for programs."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from pipeline.followup.store import Store
from pipeline.web.api import PlainJSON, api
from pipeline.web.desk import desk
from pipeline.web.display import Display
from pipeline.web.docs import operations
from pipeline.web.guard import HEADERS, Guard
from pipeline.web.pages import STATIC, Pages, wants_json
from pipeline.web.scorer import Scorer

LOG = logging.getLogger(__name__)
SENTENCES = {404: "Nothing lives at this address.", 405: "This address cannot be used in that way."}


class KeptFiles(StaticFiles):
    """The style and the script, which a browser may keep: their address changes when they do."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return the file, to be kept for a year."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(
    *, store: Store, scorer: Scorer, demo: bool, loopback: bool = True, display: Display | None = None
) -> FastAPI:
    """Return the application.

    `loopback` says that it is bound to this machine alone. Until users exist, the desk needs `demo`, and a demo and the
    API under `/v1/` need `loopback`; `/healthz`, `/readyz` and `/docs` are open to all.

    Raises
    ------
    ValueError
        A demo that others could reach.
    """
    if demo and not loopback:
        raise ValueError("a demo has no passwords, so it is served on this machine alone; use --host 127.0.0.1")
    pages = Pages(demo)
    app = FastAPI(title="Amends", version="1", description="Who to call first, and why.", docs_url=None, redoc_url=None)
    app.include_router(api(store, scorer, allowed=loopback))
    app.include_router(desk(store, pages, display or Display()))
    app.mount("/static", KeptFiles(directory=STATIC), name="static")

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        base = str(request.base_url).rstrip("/")
        return pages.show("docs.html", operations=list(operations(app.openapi(), base)))

    _explain_errors(app, pages)
    # Elsewhere than on loopback nothing is served that a foreign page must not read, and probes name any host.
    app.add_middleware(Guard, loopback=loopback, refuse=lambda request: _refused(pages, request))
    return app


def _explain_errors(app: FastAPI, pages: Pages) -> None:
    def answer(
        request: Request, status: int, sentence: str, headers: MutableMapping[str, str] | None = None
    ) -> Response:
        response = PlainJSON({"detail": sentence}, status) if wants_json(request) else pages.error(status, sentence)
        response.headers.update(headers or {})
        return response

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        plain = error.detail in ("Not Found", "Method Not Allowed")
        sentence = SENTENCES[error.status_code] if plain else error.detail
        return answer(request, error.status_code, sentence, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    def misread(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return answer(request, 404, SENTENCES[404])
        message = str(first["msg"])
        return answer(request, 422, f"{first['loc'][-1]}: {message[:1].lower()}{message[1:]}.")

    @app.exception_handler(Exception)
    def broke(request: Request, error: Exception) -> Response:
        # The type alone: a message could quote a customer. The server's own log has the rest.
        LOG.error("%s %s failed: %s", request.method, request.url.path, type(error).__name__)
        sentence = "Please try again; if it stays like this, tell whoever runs this server."
        return answer(request, 500, sentence, dict(HEADERS))  # this answer is made outside of the guard


def _refused(pages: Pages, request: Request) -> Response:
    sentence = "This server answers only to localhost and its own address, such as 127.0.0.1."
    return PlainJSON({"detail": sentence}, 400) if wants_json(request) else pages.error(400, sentence)

"""Pages from templates: always escaped, in the visitor's language, with the facts that the frame of a page needs."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.followup.case import PlainError
from pipeline.web.access import visitor_of
from pipeline.web.language import Language, catalogue, endonyms, languages
from pipeline.web.marking import visible

HERE = Path(__file__).parent
STATIC = HERE / "static"
TITLES = {
    0: "That did not work",  # for whatever is not below
    400: "This address is not ours",
    403: "Not from here",
    404: "There is no such page",
    405: "That cannot be done here",
    409: "Somebody was faster",
    413: "That is too much at once",
    415: "That is not a form",
    422: "That could not be read",
    429: "Too many tries",
    500: "Something broke on our side",
    503: "Not ready yet",
}


@dataclass(frozen=True)
class Pages:
    """The pages of one process; `token` is what the forms of somebody who has not signed in carry."""

    demo: bool
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def show(self, request: Request, template: str, status: int = 200, /, **facts: Any) -> HTMLResponse:
        """Return the page of `template` for who sends `request`."""
        visitor = visitor_of(request)
        facts |= {"visitor": visitor, "token": visitor.user.csrf if visitor.user else self.token, "demo": self.demo}
        return HTMLResponse(environment(visitor.language).get_template(template).render(**facts), status)

    def error(self, request: Request, status: int, sentence: str) -> HTMLResponse:
        """Return a page that says what is wrong and where to go from here."""
        title = TITLES.get(status, TITLES[0])
        return self.show(request, "error.html", status, title=title, status=status, sentence=sentence)


@cache
def environment(language: str) -> Environment:
    """Return the templates in `language`, which escape everything."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    made.filters["visible"] = visible
    # `_` takes what it says for a template, and for safe: a sentence that may quote a visitor is neither.
    made.filters["said"] = catalogue(language).gettext
    made.globals.update(assets=assets(), language=language, languages=endonyms(), number=Language(language).number)
    return made


def warm() -> None:
    """Compile all pages in all languages, so that the first visitor need not wait for it."""
    for language in languages():
        for template in environment(language).list_templates():
            environment(language).get_template(template)


@cache
def assets() -> str:
    """Return a name for this version of the style and the script, so that browsers may keep them for long."""
    files = sorted(path for path in STATIC.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def sentence_of(request: Request, error: PlainError) -> str:
    """Return what `error` says, as a sentence in the language of who sends `request`."""
    return Language(visitor_of(request).language).sentence(error.template, **error.facts)


def address_of(request: Request) -> str:
    """Return the address of the desk as people see it; behind a proxy, a request does not know it."""
    return str(request.app.state.site or request.base_url).rstrip("/")


def wants_json(request: Request) -> bool:
    """Return whether errors of this address are for programs."""
    return request.url.path.startswith(("/v1/", "/healthz", "/readyz", "/openapi.json", "/counts"))

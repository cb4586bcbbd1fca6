"""Request bodies, bounded while they stream in, as JSON or as form fields."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

from pipeline.followup.escalations import storable

FORM_LIMIT = 64 * 1024  # a note of 2,000 characters, each of twelve bytes on its way, and all else
JSON_LIMIT = 1024 * 1024


async def read(request: Request, kind: str, limit: int) -> bytes:
    """Return the body of a request of media type `kind`, at most `limit` bytes.

    Raises
    ------
    HTTPException
        415 for another type or a compressed body, 413 for a longer one, as soon as that is known.
    """
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != kind or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise HTTPException(415, f"the body must be {kind}, not compressed; send 'Content-Type: {kind}'")
    length = request.headers.get("content-length", "")
    body = bytearray()
    too_long = length.isdecimal() and (len(length) > 12 or int(length) > limit)
    if not too_long:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                too_long = True
                break
    if too_long:
        raise HTTPException(413, f"the body is larger than {limit:,} bytes; send less at a time")
    return bytes(body)


async def json_body(request: Request, limit: int = JSON_LIMIT) -> Any:
    """Return the JSON value that the body holds.

    Raises
    ------
    HTTPException
        413 or 415 (see `read`); 422 for what is not JSON in UTF-8, is nested too deeply, or holds no real number.
    """
    body = await read(request, "application/json", limit)
    try:
        # Half an emoji (\ud83d alone) passes: that spoils one record, which is for the rules of rows to say.
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_no_number, parse_float=_finite, parse_int=_bounded, object_pairs_hook=_each_once,
        )  # fmt: skip
    except RecursionError:
        raise HTTPException(422, "the body is nested too deeply; send {'records': [{...}, ...]}") from None
    except UnicodeError:
        raise HTTPException(422, "the body is not text in UTF-8") from None
    except ValueError as error:
        raise HTTPException(422, f"the body is not JSON: {_short(error)}") from None
    return value


async def form_body(request: Request, limit: int = FORM_LIMIT) -> dict[str, str]:
    """Return the fields of a form, each once.

    Raises
    ------
    HTTPException
        413 or 415 (see `read`); 422 for a body that is not a form, or a field that is sent twice.
    """
    body = await read(request, "application/x-www-form-urlencoded", limit)
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=20, errors="strict"
        )
    except ValueError:
        raise HTTPException(422, "the form could not be read") from None
    if any(len(values) > 1 for values in fields.values()):
        raise HTTPException(422, "a field of the form was sent twice")
    # Browsers send lines as CRLF, which would count twice; and not every database has a place for U+0000.
    return {name: storable(values[0].replace("\r\n", "\n")) for name, values in fields.items()}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        # The last one would win in silence, and what the sender meant by the others would be lost.
        ((often, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {often[:40]!r} is given twice")
    return value


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _bounded(digits: str) -> int:
    if len(digits) > 300:
        raise ValueError("a number is too large")
    return int(digits)


def _short(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return " ".join(str(error).split())[:120]

"""Single sign-on against a small real provider on loopback: what it vouches for, and everything that must not count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import secrets
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from pipeline.config import ConfigError
from pipeline.followup.audit import Actor
from pipeline.followup.people import User, add_user, change_user, users
from pipeline.followup.policy import Oidc as Rules
from pipeline.followup.policy import Policy
from pipeline.followup.sessions import RefusedError, session_user, sign_in
from pipeline.followup.store import Store
from pipeline.web.oidc import DOWN, ODD, REFUSED, Oidc, Vouched, welcome

SITE = "https://desk.example.com"
SECRET = "s3cret with +, %, : and ü"  # what is not encoded as RFC 6749, 2.3.1 says arrives as something else
CLIENT = "amends desk"
ROLES = {"support": "agent", "support-leads": "lead", "support-admins": "admin"}
ORIGIN = "198.51.100.7"
BY = Actor("root", "test")
ANOTHER = "this answer belongs to another sign-in, or to one that is over; begin again"
LATE = "this sign-in took too long or began in another browser; begin again"
NO_ROLE = "nothing in your groups gives you a role at this desk; ask an admin"
NO_NAME = "your preferred_username cannot be a name at this desk; ask an admin"


class Provider:
    """An OpenID provider that checks what it is asked; a test changes what it says of somebody, or how."""

    def __init__(self, key: Key) -> None:
        self.keys = [key]
        self.says: dict[str, Any] = {"preferred_username": "ada", "groups": ["support"]}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": key.kid}
        self.document: dict[str, Any] = {"scopes_supported": ["openid", "email", "groups", "offline_access"]}
        self.answers: dict[str, tuple[int, bytes]] = {}  # what is answered instead, by path
        self.sign: Callable[[dict[str, Any], dict[str, Any]], str] = self.signed
        self.asked: Counter[str] = Counter()
        self.issued: dict[str, dict[str, str]] = {}
        self.secrets: set[str] = {SECRET}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": self}))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realm"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        registry = JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
        return jwt.encode(header, claims, self.keys[-1], registry=registry)

    def discovery(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "authorize?tenant=a", "token_endpoint": "token", "jwks_uri": "jwks"}
        return {"issuer": self.issuer} | {one: f"{self.issuer}/{at}" for one, at in places.items()} | self.document

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser is sent: back, with a code."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["tenant"] == "a"
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{SITE}/oidc/finish"
        code = secrets.token_urlsafe(24)
        self.issued[code] = asked
        self.secrets |= {code, asked["state"], asked["nonce"]}
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    def token(self, authorization: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the answer to one exchange of a code, which counts once."""
        self.secrets |= {form["code_verifier"], authorization}
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote_plus(user), unquote_plus(password)) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client", "error_description": f"{authorization} is wrong"}
        asked = self.issued.pop(form["code"], {})
        hashed = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        sent = (form["grant_type"], form["redirect_uri"], hashed)
        if sent != ("authorization_code", asked.get("redirect_uri"), asked.get("code_challenge")):
            return 400, {"error": "invalid_grant", "error_description": f"the code {form['code']} is of no use"}
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "1", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.says
        token = self.sign(self.header, {name: value for name, value in claims.items() if value is not None})
        self.secrets |= {token, "an-access-token"}
        return 200, {"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 300, "id_token": token}


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self) -> None:
        self.answer(*self.found(urlsplit(self.path).path.removeprefix("/realm"), {}, ""))

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode(), strict_parsing=True))
        self.answer(*self.found(self.path.removeprefix("/realm"), form, self.headers["Authorization"]))

    def found(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        provider = self.provider
        provider.asked[path] += 1
        if path in provider.answers:
            return provider.answers[path]
        if path == "/authorize":
            return 302, provider.authorize(dict(parse_qsl(urlsplit(self.path).query, strict_parsing=True))).encode()
        if path == "/token":
            status, said = provider.token(authorization, form)
            return status, json.dumps(said).encode()
        documents = {
            "/.well-known/openid-configuration": provider.discovery(),
            "/jwks": {"keys": [key.as_dict(private=False, use="sig") for key in provider.keys]},
        }
        return 200, json.dumps(documents[path]).encode()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status in (302, 307):
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture(scope="module")
def other_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
def provider(key: RSAKey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Yield a provider; whatever a test does with it, nothing secret may have been logged."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    caplog.set_level(logging.DEBUG)
    made = Provider(key)
    yield made
    made.stop()
    assert not [secret for secret in made.secrets if secret in caplog.text]


def rules(issuer: str, **more: Any) -> Rules:
    return Rules(**{"issuer": issuer, "client_id": CLIENT, "roles": ROLES} | more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/amends.db")
    yield opened
    opened.close()


@pytest.fixture
def oidc(provider: Provider) -> Oidc:
    return Oidc(rules(provider.issuer), SECRET, SITE)


def browse(url: str) -> dict[str, str]:
    """Return with what a browser that is sent to `url` comes back."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    location = answer.headers["Location"]
    connection.close()
    assert location.startswith(f"{SITE}/oidc/finish?")
    return dict(parse_qsl(urlsplit(location).query))


def signed_in(oidc: Oidc) -> Vouched:
    url, cookie = oidc.begin()
    return oidc.finish(browse(url), cookie)


def refusal(act: Callable[[], object], provider: Provider | None = None) -> str:
    """Return the sentence of a refusal, in whose whole traceback there is nothing secret."""
    with pytest.raises(RefusedError) as caught:
        act()
    shown = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in (provider.secrets if provider else ()) if secret in shown]
    return str(caught.value)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().strip() for record in caplog.records if record.name == "pipeline.web.oidc"]


def part(value: Mapping[str, Any] | bytes) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by(signature: Callable[[bytes], bytes]) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Return how a token is signed past the library, which would refuse to."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        body = f"{part(header)}.{part(claims)}"
        return f"{body}.{part(signature(body.encode()))}"

    return sign


def public(key: RSAKey) -> bytes:
    """Return what everybody knows of a key."""
    return key.as_pem(private=False)


def test_somebody_is_vouched_for(oidc: Oidc, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    assert signed_in(oidc) == Vouched("ada", "agent")
    assert logged(caplog) == []


def test_the_browser_is_sent_with_all_that_binds_the_answer_to_it(oidc: Oidc, provider: Provider) -> None:
    url, cookie = oidc.begin()
    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{provider.issuer}/authorize?tenant=a&")
    assert asked["scope"] == "openid profile email groups"  # those beyond the first two are offered here
    assert len({asked["state"], asked["nonce"], asked["code_challenge"], oidc.begin()[1], cookie}) == 5
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43


def test_the_provider_is_asked_of_itself_and_of_its_keys_once(oidc: Oidc, provider: Provider) -> None:
    assert not provider.asked
    for _ in range(3):
        signed_in(oidc)
    assert provider.asked == {"/.well-known/openid-configuration": 1, "/authorize": 3, "/token": 3, "/jwks": 1}


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["support-leads", "support", "cooks"], "lead"),
        (["support-admins", "support-leads"], "admin"),
        ("support-leads", "lead"),
        (["support", 7, None, ["support-admins"], {"support-admins": 1}], "agent"),
    ],
)
def test_the_strongest_role_counts(oidc: Oidc, provider: Provider, groups: Any, role: str) -> None:
    provider.says["groups"] = groups
    assert signed_in(oidc).role == role


@pytest.mark.parametrize("groups", [None, [], "", "support support-leads", ["Support"], 7, True, {"support": True}])
def test_nobody_comes_in_without_a_role(oidc: Oidc, provider: Provider, groups: Any) -> None:
    provider.says["groups"] = groups
    assert refusal(lambda: signed_in(oidc)) == NO_ROLE


def test_a_person_is_never_a_program(provider: Provider) -> None:
    provider.says["groups"] = ["bots"]
    oidc = Oidc(rules(provider.issuer, roles={"bots": "service"}), SECRET, SITE)
    assert refusal(lambda: signed_in(oidc)) == NO_ROLE


@pytest.mark.parametrize("name", [None, "", "Ada Lovelace", "a" * 65, "ada\n", "ädä", 7, ["ada"]])
def test_nobody_comes_in_without_a_name_of_ours(oidc: Oidc, provider: Provider, name: Any) -> None:
    provider.says["preferred_username"] = name
    assert refusal(lambda: signed_in(oidc)) == NO_NAME


def test_other_claims_may_say_who_somebody_is(provider: Provider) -> None:
    provider.says = {"email": "ada@example.com", "https://example.com/roles": ["support"]}
    oidc = Oidc(rules(provider.issuer, name_claim="email", role_claim="https://example.com/roles"), SECRET, SITE)
    assert signed_in(oidc) == Vouched("ada@example.com", "agent")
    provider.says["email_verified"] = False
    assert refusal(lambda: signed_in(oidc)) == "your email cannot be a name at this desk; ask an admin"


@pytest.mark.parametrize(
    ("algorithm", "made"),
    [
        ("ES256", lambda: ECKey.generate_key("P-256", auto_kid=True)),
        ("PS256", lambda: RSAKey.generate_key(2048, auto_kid=True)),
        ("EdDSA", lambda: OKPKey.generate_key("Ed25519", auto_kid=True)),
    ],
    ids=["ES256", "PS256", "EdDSA"],
)
def test_other_signatures_by_a_private_key_count_too(
    oidc: Oidc, provider: Provider, algorithm: str, made: Callable[[], Key]
) -> None:
    provider.keys = [made()]
    if algorithm == "EdDSA":  # by hand: joserfc warns of the name when it signs
        provider.sign = by(lambda body: provider.keys[0].get_op_key("sign").sign(body))
    provider.header = {"alg": algorithm, "kid": provider.keys[0].kid, "x-of-theirs": "1"}
    assert signed_in(oidc) == Vouched("ada", "agent")


def test_an_answer_to_another_sign_in_does_not_count(oidc: Oidc, provider: Provider) -> None:
    (mine, my_cookie), (theirs, _) = oidc.begin(), oidc.begin()
    assert refusal(lambda: oidc.finish(browse(theirs), my_cookie), provider) == ANOTHER
    for state in ("", "\ud800", "ä"):
        assert refusal(lambda state=state: oidc.finish(browse(mine) | {"state": state}, my_cookie)) == ANOTHER
    assert refusal(lambda: oidc.finish({"code": "x"}, my_cookie)) == ANOTHER
    assert not provider.asked["/token"]


def test_an_answer_counts_once(oidc: Oidc, provider: Provider) -> None:
    url, cookie = oidc.begin()
    query = browse(url)
    oidc.finish(query, cookie)
    assert refusal(lambda: oidc.finish(query, cookie), provider) == ANOTHER
    assert refusal(lambda: oidc.finish(browse(url), cookie), provider) == ANOTHER  # nor with another code
    assert provider.asked["/token"] == 1


def test_a_sign_in_ends_in_time_and_in_the_process_where_it_began(provider: Provider) -> None:
    late, other = (Oidc(rules(provider.issuer), SECRET, SITE, seconds=seconds) for seconds in (-1, 600))
    url, cookie = late.begin()
    query = browse(url)
    for oidc, brought in ((late, cookie), (other, cookie), (other, ""), (other, "rubbish"), (other, "ä.ö.ü")):
        assert refusal(lambda oidc=oidc, brought=brought: oidc.finish(query, brought), provider) == LATE
    assert not provider.asked["/token"]


def test_a_cookie_that_was_changed_does_not_count(oidc: Oidc, provider: Provider) -> None:
    url, cookie = oidc.begin()
    query = browse(url)
    payload, _, rest = cookie.partition(".")
    state = json.dumps([query["state"], "n", "v"]).encode()
    forged = base64.urlsafe_b64encode(state).rstrip(b"=").decode() + "." + rest
    assert refusal(lambda: oidc.finish(query, forged), provider) == LATE
    assert oidc.finish(query, f"{payload}.{rest}").name == "ada"


def test_a_code_of_somebody_else_does_not_count(oidc: Oidc, provider: Provider, caplog: Any) -> None:
    """PKCE: whoever slips their code into another's sign-in has not the verifier that it was asked for with."""
    (mine, my_cookie), (theirs, _) = oidc.begin(), oidc.begin()
    slipped = browse(mine) | {"code": browse(theirs)["code"]}
    assert refusal(lambda: oidc.finish(slipped, my_cookie), provider) == REFUSED
    assert logged(caplog) == ["single sign-on failed: OAuthError invalid_grant"]


def test_a_wrong_secret_of_ours_is_told_to_the_admin_alone(provider: Provider, caplog: Any) -> None:
    oidc = Oidc(rules(provider.issuer), "another", SITE)
    assert refusal(lambda: signed_in(oidc), provider) == REFUSED
    assert logged(caplog) == ["single sign-on failed: OAuthError invalid_client"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"error": "access_denied", "error_description": "no, ada"}, "OAuthError access_denied"),
        ({"error": "<b>\nlook here"}, "OAuthError"),
        ({}, "OAuthError"),
        ({"code": "c", "iss": "https://evil.example.com"}, "OAuthError"),
    ],
)
def test_a_provider_that_vouches_for_nobody_is_believed(
    oidc: Oidc, provider: Provider, change: dict[str, str], kind: str, caplog: Any
) -> None:
    url, cookie = oidc.begin()
    assert refusal(lambda: oidc.finish({"state": browse(url)["state"]} | change, cookie), provider) == REFUSED
    assert logged(caplog) == [f"single sign-on failed: {kind}"]
    assert not provider.asked["/token"]


HOUR = 3_600


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ({"nonce": "another"}, "InvalidClaimError nonce"),
        ({"nonce": None}, "MissingClaimError nonce"),
        ({"aud": "another"}, "InvalidClaimError aud"),
        ({"aud": ["another", "third"]}, "InvalidClaimError aud"),
        ({"aud": [CLIENT, "another"]}, "MissingClaimError azp"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "InvalidClaimError azp"),
        ({"azp": "another"}, "InvalidClaimError azp"),
        ({"aud": None}, "MissingClaimError aud"),
        ({"iss": "https://evil.example.com"}, "InvalidClaimError iss"),
        ({"iss": None}, "MissingClaimError iss"),
        ({"exp": None}, "MissingClaimError exp"),
        ({"exp": "never"}, "InvalidClaimError exp"),
        ({"exp": True}, "InvalidClaimError exp"),
        ({"exp": float("nan")}, "InvalidClaimError exp"),
        ({"iat": None}, "MissingClaimError iat"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_does_not_count(
    oidc: Oidc, provider: Provider, says: dict[str, Any], kind: str, caplog: Any
) -> None:
    provider.says |= says
    assert refusal(lambda: signed_in(oidc), provider) == ODD
    assert logged(caplog) == [f"single sign-on failed: {kind}"]


@pytest.mark.parametrize("says", [{"aud": [CLIENT]}, {"aud": [CLIENT, "another"], "azp": CLIENT}])
def test_a_token_may_be_for_others_too_if_it_says_that_we_asked(oidc: Oidc, provider: Provider, says: Any) -> None:
    provider.says |= says
    assert signed_in(oidc).name == "ada"


@pytest.mark.parametrize(
    ("exp", "iat", "kind"),
    [
        (-HOUR, -2 * HOUR, "ExpiredTokenError exp"),
        (-90, -HOUR, "ExpiredTokenError exp"),
        (2 * HOUR, HOUR, "InvalidClaimError iat"),
        (-15, -HOUR, None),
        (HOUR, 45, None),
    ],
)
def test_a_token_counts_while_it_holds_give_or_take_a_minute(
    oidc: Oidc, provider: Provider, exp: int, iat: int, kind: str | None, caplog: Any
) -> None:
    now = int(time.time())
    provider.says |= {"exp": now + exp, "iat": now + iat}
    if kind is None:
        assert signed_in(oidc).name == "ada"
    else:
        assert refusal(lambda: signed_in(oidc), provider) == ODD
        assert logged(caplog) == [f"single sign-on failed: {kind}"]


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES512", "RS1", "", None, ["RS256"]])
def test_an_algorithm_that_others_could_use_does_not_count(
    oidc: Oidc, provider: Provider, key: RSAKey, algorithm: Any
) -> None:
    provider.header["alg"] = algorithm
    secret = public(key) if algorithm == "HS256" else b""
    provider.sign = by(lambda body: hmac.digest(secret, body, "sha256") if secret else b"")
    assert refusal(lambda: signed_in(oidc), provider) == ODD
    assert not provider.asked["/jwks"]


def test_a_secret_that_the_provider_shows_to_all_signs_nothing(oidc: Oidc, provider: Provider, key: RSAKey) -> None:
    """Were it taken for a key, everybody could sign with it."""
    shown = {"kty": "oct", "k": part(public(key)), "kid": "shown"}
    provider.answers["/jwks"] = (200, json.dumps({"keys": [shown]}).encode())
    provider.sign = by(lambda body: hmac.digest(public(key), body, "sha256"))
    for algorithm in ("HS256", "RS256"):
        provider.header = {"alg": algorithm, "kid": "shown"}
        assert refusal(lambda: signed_in(oidc), provider) == ODD


def test_a_signature_by_another_key_does_not_count(oidc: Oidc, provider: Provider, other_key: RSAKey) -> None:
    provider.sign = lambda header, claims: jwt.encode(header, claims, other_key, algorithms=["RS256"])
    for sign_ins in (1, 2):
        assert refusal(lambda: signed_in(oidc), provider) == ODD
        assert provider.asked["/jwks"] == sign_ins  # asked for again once, in case they were new


@pytest.mark.parametrize("kept", [True, False], ids=["beside the old one", "instead of it"])
def test_new_keys_of_the_provider_are_found(oidc: Oidc, provider: Provider, other_key: RSAKey, kept: bool) -> None:
    signed_in(oidc)
    provider.keys = [*(provider.keys if kept else []), other_key]
    provider.header["kid"] = other_key.kid
    assert signed_in(oidc).name == signed_in(oidc).name == "ada"
    assert provider.asked["/jwks"] == 2


def test_new_keys_are_found_without_a_name_too(oidc: Oidc, provider: Provider, other_key: RSAKey) -> None:
    provider.header.pop("kid")
    signed_in(oidc)
    provider.keys = [other_key]
    assert signed_in(oidc).name == "ada"


def test_an_unknown_key_is_asked_for_once(oidc: Oidc, provider: Provider) -> None:
    signed_in(oidc)
    provider.header["kid"] = "nobody's"
    assert refusal(lambda: signed_in(oidc), provider) == ODD
    assert provider.asked["/jwks"] == 2


def test_a_provider_that_is_down_is_asked_again_later(provider: Provider, key: RSAKey, caplog: Any) -> None:
    oidc = Oidc(rules(provider.issuer), SECRET, SITE)
    url, cookie = oidc.begin()
    query = browse(url)
    new = Oidc(rules(provider.issuer), SECRET, SITE)
    provider.stop()
    assert refusal(lambda: oidc.finish(query, cookie), provider) == DOWN
    assert refusal(new.begin, provider) == DOWN
    assert logged(caplog) == ["single sign-on failed: ConnectionError"] * 2


def test_a_provider_that_was_down_is_found_when_it_is_up(oidc: Oidc, provider: Provider) -> None:
    provider.answers["/.well-known/openid-configuration"] = (503, b"soon")
    assert refusal(oidc.begin) == ODD
    provider.answers.clear()
    assert signed_in(oidc).name == "ada"


DEEP = b"[" * 100_000
RUBBISH = [
    (200, b"<html>hello</html>"), (200, b""), (200, b"null"), (200, b"[]"), (200, b"{}"), (200, b'"issuer"'),
    (200, b"\xff\xfe"), (200, DEEP), (200, b'{"keys": 7, "id_token": 7}'), (200, b'{"keys": [7], "id_token": [7]}'),
    (200, b'{"keys": [{"kty": ["RSA"]}], "id_token": "a.b.c"}'), (200, b'{"keys": [{"kty": "RSA", "n": 7, "e": 7}]}'),
    (200, b'{"keys": [], "id_token": {}, "expires_in": "soon"}'), (200, b'{"id_token": "x", "expires_in": 1e999}'),
    (500, b"{}"), (404, b"not here"), (307, b"http://127.0.0.1:9/elsewhere"), (302, b"/realm/jwks"),
]  # fmt: skip


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
@pytest.mark.parametrize("answer", RUBBISH, ids=lambda answer: f"{answer[0]} {answer[1][:40]!r}")
def test_rubbish_is_refused_in_a_sentence(oidc: Oidc, provider: Provider, path: str, answer: tuple[int, bytes]) -> None:
    provider.answers[path] = answer
    assert refusal(lambda: signed_in(oidc), provider) == ODD


@pytest.mark.parametrize("said", [b'{"error": "invalid_grant"}', b'{"error": ["x"]}', b'{"error": {"a": 1}}'])
def test_an_error_of_any_shape_is_an_error(oidc: Oidc, provider: Provider, said: bytes) -> None:
    provider.answers["/token"] = (400, said)
    assert refusal(lambda: signed_in(oidc), provider) == REFUSED


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.example.com"}, {"issuer": None},
        {"token_endpoint": "http://login.example.com/token"}, {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": None}, {"token_endpoint": 7}, {"token_endpoint": "https://["},
        {"scopes_supported": 7},
    ],
)  # fmt: skip
def test_a_provider_that_says_of_itself_what_cannot_be_is_not_used(
    oidc: Oidc, provider: Provider, change: dict[str, Any]
) -> None:
    provider.document |= change
    assert refusal(oidc.begin) == ODD


def test_an_issuer_that_is_not_quite_ours_is_told_to_the_admin(provider: Provider, caplog: Any) -> None:
    assert refusal(Oidc(rules(provider.issuer + "/"), SECRET, SITE).begin) == ODD
    assert f"the provider calls itself '{provider.issuer}'" in logged(caplog)[0]


def policy(site: str | None = SITE, **more: Any) -> Policy:
    given = {"issuer": "https://login.example.com", "client_id": CLIENT, "roles": ROLES} | more
    return Policy.model_validate({"site": site, "sign_in": {"oidc": given}})


def test_the_policy_and_the_environment_make_it() -> None:
    made = Oidc.of(policy(site="https://desk.example.com/"), {"AMENDS_OIDC_SECRET": SECRET})
    assert made is not None
    assert made.back == f"{SITE}/oidc/finish"
    assert Oidc.of(
        policy(site="http://127.0.0.1:8000", issuer="http://localhost:9000/realm"), {"AMENDS_OIDC_SECRET": "x"}
    )
    assert Oidc.of(Policy(), {}) is None
    assert SECRET not in repr(made)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"issuer": "http://login.example.com"},
            "setting 'sign_in.oidc.issuer' must be an https address (http for this machine alone), such as "
            "https://login.example.com; got 'http://login.example.com'",
        ),
        ({"issuer": "login.example.com"}, "'sign_in.oidc.issuer' must be an https address"),
        ({"issuer": "https://["}, "'sign_in.oidc.issuer' must be an https address"),
        ({"site": None}, "setting 'site' must be set for single sign-on: it must be an https address"),
        ({"site": "http://desk.example.com"}, "such as https://desk.example.com; got 'http://desk.example.com'"),
        ({"roles": {}}, "setting 'sign_in.oidc.roles' must give somebody a role, such as {support: agent}"),
        ({"roles": {"bots": "service"}}, "setting 'sign_in.oidc.roles': service is for programs alone"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(change: dict[str, Any], sentence: str) -> None:
    wrong = policy(**change)
    with pytest.raises(ConfigError) as caught:
        Oidc.of(wrong, {"AMENDS_OIDC_SECRET": SECRET})
    assert sentence in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("environment", [{}, {"AMENDS_OIDC_SECRET": ""}])
def test_there_must_be_a_secret(environment: dict[str, str]) -> None:
    right = policy()
    with pytest.raises(ConfigError, match="AMENDS_OIDC_SECRET must be set to the secret that the sign-in provider"):
        Oidc.of(right, environment)


def known(store: Store) -> dict[str, tuple[str, bool]]:
    return {user.name: (user.role, user.active) for user in users(store)}


def visitor(store: Store, token: str) -> User:
    user = session_user(store, token)
    assert user is not None
    return user


def test_somebody_new_is_welcome_and_has_no_password(store: Store, oidc: Oidc) -> None:
    token = welcome(store, signed_in(oidc), ORIGIN)
    assert visitor(store, token).name == "ada"
    assert known(store) == {"ada": ("agent", True)}
    assert refusal(lambda: sign_in(store, "ada", "", ORIGIN)) == "this name and password do not go together"
    assert store.audit() == []
    again = welcome(store, Vouched("ada", "agent"), ORIGIN)
    assert visitor(store, token) == visitor(store, token)
    assert visitor(store, again).id == visitor(store, token).id


def test_the_provider_says_who_has_which_role(store: Store, oidc: Oidc, provider: Provider) -> None:
    before = welcome(store, signed_in(oidc), ORIGIN)
    provider.says["groups"] = ["support-admins"]
    after = welcome(store, signed_in(oidc), ORIGIN)
    assert visitor(store, after).role == "admin"
    assert session_user(store, before) is None  # the sessions of the old role are over
    welcome(store, Vouched("ada", "agent"), ORIGIN)
    assert known(store) == {"ada": ("agent", True)}
    assert store.audit() == []


def test_somebody_deactivated_stays_out_whatever_the_provider_says(store: Store) -> None:
    welcome(store, Vouched("ada", "agent"), ORIGIN)
    change_user(store, BY, "ada", active=False)
    sentence = refusal(lambda: welcome(store, Vouched("ada", "admin"), ORIGIN))
    assert sentence == "your account at this desk was closed; ask an admin"
    assert known(store) == {"ada": ("agent", False)}


def test_nobody_with_a_password_is_taken_over(store: Store) -> None:
    add_user(store, BY, "ada", "agent", "correct horse battery")
    sentence = refusal(lambda: welcome(store, Vouched("ada", "admin"), ORIGIN))
    assert sentence == "ada has a password at this desk; an admin must remove it before single sign-on counts"
    assert known(store) == {"ada": ("agent", True)}
    change_user(store, BY, "ada", password=None)
    assert visitor(store, welcome(store, Vouched("ada", "admin"), ORIGIN)).role == "admin"


@pytest.mark.parametrize("vouched", [Vouched("ada lovelace", "agent"), Vouched("ada", "service")])
def test_whom_the_desk_cannot_take_it_does_not(store: Store, vouched: Vouched) -> None:
    assert refusal(lambda: welcome(store, vouched, ORIGIN)) == "nobody of this name may come in"
    assert known(store) == {}

"""Single sign-on by OpenID Connect: whom the provider vouches for, and the session that they get."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import requests
from authlib.common.security import is_secure_transport
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oidc.core import CodeIDToken
from itsdangerous import BadData, URLSafeTimedSerializer
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from pipeline.config import ConfigError
from pipeline.followup.audit import Actor
from pipeline.followup.people import _NAME, add_user, change_user
from pipeline.followup.policy import Oidc as Rules
from pipeline.followup.policy import Policy
from pipeline.followup.roles import PEOPLE
from pipeline.followup.sessions import RefusedError, sign_in_known
from pipeline.followup.store import Store
from pipeline.followup.tables import USERS

LOG = logging.getLogger(__name__)
BACK = "/oidc/finish"  # after the desk's own address: what is registered at the provider
TIMEOUT, LEEWAY = 10, 60  # seconds: to wait for the provider; that two clocks may differ
DOWN = "the sign-in provider cannot be reached; try again in a moment"
ODD = "the sign-in provider does not answer as it should; begin again, and tell an admin if that does not help"
REFUSED = "the sign-in provider did not let you in; begin again, and tell an admin if that does not help"
# Of a failure, its kind and one of these words are logged: what else a provider says may quote a code.
_WORDS = ("access_denied", "invalid_client", "invalid_grant", "iss", "aud", "azp", "exp", "iat", "nonce")
_RUBBISH = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class Vouched(NamedTuple):
    """Whom the provider vouches for: their name, and the strongest role that it gives them here."""

    name: str
    role: str


class _Registry(JWSRegistry):
    """What may sign an ID token: a key that the provider alone has; never `none`, never a secret that we share."""

    recommended = ["RS256", "ES256", "PS256", "EdDSA"]  # noqa: RUF012
    algorithms = JWSRegistry.algorithms | {"EdDSA": type(JWSRegistry.algorithms["EdDSA"])()}
    algorithms["EdDSA"].security_warning = None  # RFC 9864 has a new name for it; providers use the old one


class Oidc:
    """Single sign-on at one provider (OpenID Connect Core 1.0, 3.1; RFC 9700), in `seconds` from first to last."""

    def __init__(self, rules: Rules, secret: str, site: str, *, seconds: int = 600) -> None:
        self.rules, self.back, self.seconds, self._secret = rules, site.rstrip("/") + BACK, seconds, secret
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="single sign-on")  # of this process alone
        self._used: deque[str] = deque(maxlen=10_000)
        self._keys = KeySet([])

    @classmethod
    def of(cls, policy: Policy, environment: Mapping[str, str]) -> Oidc | None:
        """Return the single sign-on that `policy` names, its secret from `environment`; None where it names none.

        Raises
        ------
        ConfigError
            A setting of it is missing or cannot be used, or there is no secret.
        """
        rules, site, secret = policy.sign_in.oidc, policy.site, environment.get("AMENDS_OIDC_SECRET", "")
        if rules is None:
            return None
        safe, https = is_secure_transport, "must be an https address (http for this machine alone), such as https:"
        for holds, what in (
            (safe(rules.issuer), f"setting 'sign_in.oidc.issuer' {https}//login.example.com; got {rules.issuer!r}"),
            (safe(site), f"setting 'site' must be set for single sign-on: it {https}//desk.example.com; got {site!r}"),
            (rules.roles, "setting 'sign_in.oidc.roles' must give somebody a role, such as {support: agent}"),
            (set(rules.roles.values()) <= set(PEOPLE), "setting 'sign_in.oidc.roles': service is for programs alone"),
            (secret, "AMENDS_OIDC_SECRET must be set to the secret that the sign-in provider gave to the desk"),
        ):
            if not holds:
                raise ConfigError(what)
        return cls(rules, str(secret), str(site))

    def begin(self) -> tuple[str, str]:
        """Return the address to send somebody to, and the cookie that their browser brings back.

        Raises
        ------
        RefusedError
            The provider cannot be reached, or does not answer as it should.
        """
        state, nonce, verifier = begun = [secrets.token_urlsafe(32) for _ in range(3)]
        with _explained(), OAuth2Session(self.rules.client_id, code_challenge_method="S256") as client:
            more = {"email", self.rules.role_claim}.intersection(self._provider.get("scopes_supported") or ())
            asked = {"scope": ["openid", "profile", *sorted(more)], "nonce": nonce, "redirect_uri": self.back}
            url, _ = client.create_authorization_url(self._provider["authorization_endpoint"], state, verifier, **asked)
        return str(url), str(self._signer.dumps(begun))

    def finish(self, query: Mapping[str, str], cookie: str) -> Vouched:
        """Return whom the provider vouches for, where a browser comes back with `query` and the cookie of `begin`.

        Raises
        ------
        RefusedError
            It did not begin here, the provider vouches for nobody, or the desk has no role or no name for them.
        """
        try:
            state, nonce, verifier = self._signer.loads(cookie, max_age=self.seconds)
        except BadData:
            raise RefusedError("this sign-in took too long or began in another browser; begin again") from None
        ours = hmac.compare_digest(query.get("state", "").encode(errors="replace"), state.encode())
        if not ours or state in self._used:
            raise RefusedError("this answer belongs to another sign-in, or to one that is over; begin again")
        self._used.append(state)
        desk = [quote_plus(one) for one in (self.rules.client_id, self._secret)]  # RFC 6749, 2.3.1; Authlib does not
        more = {"code": query.get("code"), "code_verifier": verifier, "allow_redirects": False}
        with _explained(), OAuth2Session(*desk, redirect_uri=self.back, default_timeout=TIMEOUT) as client:
            if "code" not in query or query.get("iss", self.rules.issuer) != self.rules.issuer:  # iss: RFC 9207
                raise OAuthError(query.get("error"))
            said = self._claims(client.fetch_token(self._provider["token_endpoint"], **more)["id_token"], nonce)
        held, name = said.get(self.rules.role_claim), said.get(self.rules.name_claim)
        groups = held if isinstance(held, list) else [held]
        given = [PEOPLE.index(role) for group, role in self.rules.roles.items() if group in groups and role in PEOPLE]
        if not given:
            claim = self.rules.role_claim
            raise RefusedError("nothing in your %(claim)s gives you a role at this desk; ask an admin", claim=claim)
        owned = self.rules.name_claim != "email" or said.get("email_verified") is not False
        if not (isinstance(name, str) and _NAME.fullmatch(name) and owned):
            claim = self.rules.name_claim
            raise RefusedError("your %(claim)s cannot be a name at this desk; ask an admin", claim=claim)
        return Vouched(name, PEOPLE[max(given)])

    @cached_property
    def _provider(self) -> dict[str, Any]:
        said = _get(self.rules.issuer.rstrip("/") + "/.well-known/openid-configuration")
        safe = [is_secure_transport(said[one]) for one in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        if said["issuer"] != self.rules.issuer or not all(safe):
            LOG.warning("single sign-on: the provider calls itself %.200r; safe addresses: %s", said["issuer"], safe)
            raise ValueError
        return dict(said)

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        try:
            read = jwt.decode(token, self._keys, registry=_Registry(strict_check_header=False))
        except (InvalidKeyIdError, BadSignatureError):  # none yet, or the provider has new ones
            self._keys = KeySet.import_key_set(_get(self._provider["jwks_uri"]))
            read = jwt.decode(token, self._keys, registry=_Registry(strict_check_header=False))
        expected = {"iss": {"value": self.rules.issuer}, "aud": {"value": self.rules.client_id}}
        claims = CodeIDToken(read.claims, read.header, expected, {"nonce": nonce, "client_id": self.rules.client_id})
        claims.validate(leeway=LEEWAY)
        return dict(claims)


@contextmanager
def _explained() -> Iterator[None]:
    """Make a refusal of what goes wrong with the provider, and log of what kind it was."""
    try:
        yield
    except (requests.RequestException, OAuthError, JoseError, *_RUBBISH) as error:
        word = getattr(error, "claim", None) or getattr(error, "error", None)
        LOG.warning("single sign-on failed: %s %s", type(error).__name__, word if word in _WORDS else "")
        away = isinstance(error, requests.ConnectionError | requests.Timeout)
        raise RefusedError(DOWN if away else REFUSED if isinstance(error, OAuthError) else ODD) from None


def _get(url: str) -> Any:
    answer = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
    answer.raise_for_status()
    return answer.json()


def welcome(store: Store, vouched: Vouched, origin: str) -> str:
    """Return the token of a new session of somebody vouched for, who is added at the first, and given their role.

    Raises
    ------
    RefusedError
        They were deactivated, or have a password: nobody becomes them by bearing their name at the provider.
    """
    name, by = vouched.name, Actor("single sign-on", origin)
    with store.engine.connect() as connection:
        user = connection.execute(USERS.select().where(USERS.c.name == name)).first()
    if user is None:
        with suppress(ValueError):  # in another window they were faster
            add_user(store, by, name, vouched.role, None)
    elif not user.active:
        raise RefusedError("your account at this desk was closed; ask an admin")
    elif user.password:
        raise RefusedError(
            "%(name)s has a password at this desk; an admin must remove it before single sign-on counts", name=name
        )
    elif user.role != vouched.role:
        change_user(store, by, name, role=vouched.role)
    return sign_in_known(store, name, origin, how="oidc")

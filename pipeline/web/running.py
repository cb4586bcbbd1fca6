"""A desk that runs: its store, its model on the way, its clock and its messengers, put together from the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from fastapi import FastAPI

from models.promise import Promise
from pipeline.config import Config, ConfigError
from pipeline.followup import people
from pipeline.followup.audit import Actor
from pipeline.followup.background import Background
from pipeline.followup.engine import take_stock
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.followup.webhooks import targets
from pipeline.triage import history
from pipeline.web.app import create_app
from pipeline.web.commands import link_to
from pipeline.web.guard import bare_host, is_loopback
from pipeline.web.oidc import Oidc
from pipeline.web.pages import warm
from pipeline.web.scorer import Loading, Scorer

DEMO = Actor("demo", "serve.py --demo")


@contextmanager
def running(
    config: Config, model: str, address: str, environment: Mapping[str, str], *, demo: bool
) -> Iterator[tuple[FastAPI, list[str]]]:
    """Yield the application at `address`, and what whoever started it should know.

    Raises
    ------
    ConfigError
        A setting cannot be used, or others could reach the desk and `site` does not say under which name.
    """
    policy = Policy.of(config)
    if not policy.site and not is_loopback(bare_host(urlsplit(address).netloc)):
        raise ConfigError(
            "a desk that others can reach needs its address, such as site: https://desk.example.com in "
            f"{config.desk}; TLS is for a proxy before it"
        )
    told = targets(policy, environment)
    oidc = Oidc.of(policy, environment)
    store = Store.open(config.store.url, policy)
    take_stock(store.engine)
    loading, background = Loading(_scorer(config, model)), Background(store, told)
    try:
        app = create_app(
            store=store, scorer=loading, demo=demo, schema=config.schema_(), promise=promised(config), oidc=oidc
        )
        said = [_demo_link(store, address)] if demo else _nobody_yet(store, oidc)
        warm()
        loading.start()
        background.start()
        yield app, said
        background.stop()
    finally:
        store.close()


def promised(config: Config) -> Callable[[], Promise | None]:
    """Return a function that returns what the last night promises of its list; None where it promises nothing."""

    def said() -> Promise | None:
        nights = history.nights(config)
        made = nights[-1].get("promise") if nights else None
        return Promise(made["head"], made["calls"], made["at_least"]) if made and made.get("at_least") else None

    return said


def _scorer(config: Config, model: str) -> Callable[[], Scorer]:
    def load() -> Scorer:
        from pipeline.triage import scoring

        return scoring.Scorer.load(model, config)

    return load


def _demo_link(store: Store, address: str) -> str:
    found = [one for one in people.users(store) if one.name == DEMO.name]
    if not found:
        people.add_user(store, DEMO, DEMO.name, "admin", None)
    elif not found[0].active:
        raise ConfigError("the user demo may not sign in here; to change that: python serve.py user enable demo")
    return f"Open {link_to(store, DEMO.name, address)} (works once, within the hour)"


def _nobody_yet(store: Store, oidc: Oidc | None) -> list[str]:
    if oidc or people.any_user(store):
        return []
    return ["Nobody may sign in yet; add somebody: python serve.py user add NAME --role lead"]

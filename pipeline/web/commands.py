"""What `serve.py` does beside serving: users, keys, backups, the check of the audit log."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Iterator

from pipeline.config import Config, ConfigError
from pipeline.followup import backup, people
from pipeline.followup.audit import Actor, latest
from pipeline.followup.corrections import labelled
from pipeline.followup.policy import Policy
from pipeline.followup.sessions import link
from pipeline.followup.store import Store
from pipeline.triage.durable import write_file

OPERATOR = Actor("operator", "serve.py")


def run(options: argparse.Namespace, config: Config) -> Iterator[str]:
    """Yield what a command has to say.

    Raises
    ------
    ConfigError
        It cannot be done; the message is one sentence.
    """
    if options.command == "backup":
        backup.backup(config.store.url, options.file)
        yield f"written: {options.file}"
    elif options.command == "restore":
        backup.restore(config.store.url, options.file, replace=options.replace)
        yield f"restored from {options.file}"
    elif options.command == "messages":
        from pipeline.web.messages import skeleton

        yield skeleton(options.language).rstrip("\n")
    else:
        store, options.schema = Store.open(config.store.url, Policy.of(config)), config.schema_()
        try:
            yield from COMMANDS[options.command, getattr(options, "what", "")](store, options)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        finally:
            store.close()


def link_to(store: Store, name: str, address: str) -> str:
    """Return the address by which `name` comes in once."""
    return f"{address}/enter/{link(store, name)}"


def _user_add(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.add_user(store, OPERATOR, options.name, options.role, None if options.link else _password())
    yield f"{options.name} may sign in as {options.role}"
    if options.link:
        yield f"once, within the hour: {link_to(store, options.name, _site(store))}"


def _user_list(store: Store, options: argparse.Namespace) -> Iterator[str]:
    for one in people.users(store):
        yield f"{one.name:<24} {one.role:<8}{'' if one.active else 'disabled'}".rstrip()


def _user_password(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.change_user(store, OPERATOR, options.name, password=_password())
    yield f"{options.name} has a new password; all their sessions have ended"


def _user_link(store: Store, options: argparse.Namespace) -> Iterator[str]:
    if options.name not in [one.name for one in people.users(store) if one.active]:
        raise ValueError(f"nobody called {options.name} may sign in; see: serve.py user list")
    yield f"once, within the hour: {link_to(store, options.name, _site(store))}"


def _user_role(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.change_user(store, OPERATOR, options.name, role=options.role)
    yield f"{options.name} is {options.role} now; all their sessions have ended"


def _user_disable(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.change_user(store, OPERATOR, options.name, active=False)
    yield f"{options.name} may sign in no more; all their sessions have ended"


def _user_enable(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.change_user(store, OPERATOR, options.name, active=True)
    yield f"{options.name} may sign in again"


def _key_add(store: Store, options: argparse.Namespace) -> Iterator[str]:
    yield people.add_key(store, OPERATOR, options.name, options.scope)


def _key_list(store: Store, options: argparse.Namespace) -> Iterator[str]:
    for name, scopes, active in people.keys(store):
        yield f"{name:<24} {', '.join(scopes):<24}{'' if active else 'revoked'}".rstrip()


def _key_revoke(store: Store, options: argparse.Namespace) -> Iterator[str]:
    people.revoke_key(store, OPERATOR, options.name)
    yield f"the key {options.name} opens nothing any more"


def _labels(store: Store, options: argparse.Namespace) -> Iterator[str]:
    if options.file.exists():
        raise ValueError(f"{options.file} exists already; give another name")
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in labelled(store, options.schema)]
    write_file(options.file, "".join(lines).encode())
    yield f"{len(lines)} texts with corrected labels: {options.file}"


def _audit(store: Store, options: argparse.Namespace) -> Iterator[str]:
    problems = store.audit()
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(problems[0] + more)
    yield "every entry of the audit log holds, and the tables follow from it"
    with store.engine.connect() as connection:
        last = latest(connection, 1)
    # An end that was cut off leaves a log that holds: who keeps this line elsewhere finds that out, too.
    yield f"the last entry is {last[0].id}, {last[0].hash.hex()}" if last else "it has no entry yet"


COMMANDS: dict[tuple[str, str], Callable[[Store, argparse.Namespace], Iterator[str]]] = {
    ("user", "add"): _user_add,
    ("user", "list"): _user_list,
    ("user", "password"): _user_password,
    ("user", "disable"): _user_disable,
    ("user", "enable"): _user_enable,
    ("user", "role"): _user_role,
    ("user", "link"): _user_link,
    ("key", "add"): _key_add,
    ("key", "list"): _key_list,
    ("key", "revoke"): _key_revoke,
    ("labels", ""): _labels,
    ("audit", ""): _audit,
}


def _site(store: Store) -> str:
    return (store.policy.site or "http://127.0.0.1:8000").rstrip("/")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise ValueError("the two passwords differ; nothing was changed")
    return first

"""serve.py beside serving: who may come in, by which password or link, and the keys of programs."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import serve as program
from pipeline.followup import people, sessions
from pipeline.followup.store import Store
from tests.pipeline.followup.hands import everything

PASSWORD = "correct horse battery"


class Said(NamedTuple):
    code: int
    out: str
    err: str


Serve = Callable[..., Said]


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "desk").mkdir()
    return f"sqlite:///{tmp_path}/desk/amends.db"


@pytest.fixture
def serve(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Serve:
    """Return a function that runs a command on the test's own store, with `typed` on its standard input."""

    def run(*arguments: object, typed: str | Terminal = "", at: str = url) -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed) if isinstance(typed, str) else typed)
        code = program.main(["--set", f"store.url={at}", *map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return run


def all_of(url: str) -> dict[str, list[object]]:
    store = Store.open(url)
    try:
        return dict(everything(store))
    finally:
        store.close()


def test_somebody_is_added_listed_and_changed(serve: Serve, url: str) -> None:
    added = serve("user", "add", "ana", "--role", "lead", typed=f"{PASSWORD}\nignored\n")
    assert added == Said(0, "ana may sign in as lead\n", "")
    assert serve("user", "add", "bo", typed=f"{PASSWORD}\n").out == "bo may sign in as agent\n"
    assert serve("user", "disable", "bo").out == "bo may sign in no more; all their sessions have ended\n"
    listed = "ana                      lead\nbo                       agent   disabled\n"
    assert serve("user", "list") == Said(0, listed, "")
    assert serve("user", "enable", "bo").out == "bo may sign in again\n"
    assert serve("user", "role", "bo", "admin").out == "bo is admin now; all their sessions have ended\n"
    store = Store.open(url)
    token = sessions.sign_in(store, "ana", PASSWORD, "test")
    changed = serve("user", "password", "ana", typed="another horse, another battery\n")
    assert changed.out == "ana has a new password; all their sessions have ended\n"
    assert sessions.session_user(store, token) is None
    assert sessions.sign_in(store, "ana", "another horse, another battery", "test")
    store.close()


def test_a_link_is_printed_once(serve: Serve, url: str, tmp_path: Path) -> None:
    rules = tmp_path / "desk.yaml"
    rules.write_text("site: https://desk.example.com/\n")
    shown = [
        serve("user", "add", "ana", "--link").out.splitlines()[1],
        serve("--set", f"desk={rules}", "user", "link", "ana").out.splitlines()[0],
    ]
    for said, site in zip(shown, ("http://127.0.0.1:8000", "https://desk.example.com"), strict=True):
        found = re.fullmatch(rf"once, within the hour: {site}/enter/([\w-]+)", said)
        assert found
        store = Store.open(url)
        assert sessions.session_user(store, sessions.enter(store, found[1], "test"))
        store.close()


def test_a_key_is_shown_this_once(serve: Serve, url: str) -> None:
    key = serve("key", "add", "crm", "--scope", "read", "--scope", "feedback").out.strip()
    assert re.fullmatch(r"amends_[\w-]{43}", key)
    assert serve("key", "list").out == "crm                      feedback, read\n"
    store = Store.open(url)
    assert people.key_scopes(store, key) == ("crm", ("feedback", "read"))
    assert serve("key", "revoke", "crm").out == "the key crm opens nothing any more\n"
    assert people.key_scopes(store, key) is None
    assert serve("key", "list").out == "crm                      feedback, read          revoked\n"
    assert key not in repr(everything(store))
    store.close()


REFUSED: dict[tuple[str, ...], tuple[str, str]] = {
    ("user", "add", "ana"): (PASSWORD, "there is a user ana already; see: serve.py user list"),
    ("user", "add", "a b"): (PASSWORD, "a user's name has 1 to 64 letters, digits or any of . _ @ + -"),
    ("user", "add", "x" * 65): (PASSWORD, "a user's name has 1 to 64 letters, digits or any of . _ @ + -"),
    ("user", "add", "bo"): ("short", "a password has 12 to 1,024 characters"),
    ("user", "add", "cy"): ("", "a password has 12 to 1,024 characters"),
    ("user", "password", "ana"): ("x" * 1_025, "a password has 12 to 1,024 characters"),
    ("user", "password", "zed"): (PASSWORD, "there is no user zed; see: serve.py user list"),
    ("user", "disable", "zed"): ("", "there is no user zed; see: serve.py user list"),
    ("user", "enable", "zed"): ("", "there is no user zed; see: serve.py user list"),
    ("user", "role", "zed", "lead"): ("", "there is no user zed; see: serve.py user list"),
    ("user", "link", "zed"): ("", "nobody called zed may sign in; see: serve.py user list"),
    ("key", "add", "crm", "--scope", "read"): ("", "there is a key crm already; see: serve.py key list"),
    ("key", "add", "a/b", "--scope", "read"): ("", "a key's name has 1 to 64 letters, digits or any of . _ @ + -"),
    ("key", "revoke", "zed"): ("", "there is no key zed; see: serve.py key list"),
}


def test_what_cannot_be_done_is_said_in_a_sentence(serve: Serve, url: str) -> None:
    serve("user", "add", "ana", "--link")
    serve("key", "add", "crm", "--scope", "read")
    was = all_of(url)
    for arguments, (typed, sentence) in REFUSED.items():
        assert serve(*arguments, typed=typed) == Said(2, "", f"serve.py: {sentence}\n"), arguments
    assert all_of(url) == was


@pytest.mark.parametrize(
    "arguments", ["user", "user add", "user add ana --role boss", "user role ana service", "key add crm", "backup",
                  "key add crm --scope all", "restore", "forget"]
)  # fmt: skip
def test_what_is_no_command_is_refused(serve: Serve, arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        serve(*arguments.split())
    assert "error: " in capsys.readouterr().err


class Terminal(io.StringIO):
    """A standard input with somebody before it."""

    def isatty(self) -> bool:
        return True


def test_a_password_is_typed_twice_at_a_terminal(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([PASSWORD, "a slip of the hand", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    slipped = serve("user", "add", "ana", typed=Terminal())
    assert slipped == Said(2, "", "serve.py: the two passwords differ; nothing was changed\n")
    assert serve("user", "list").out == ""
    assert serve("user", "add", "ana", typed=Terminal()).code == 0

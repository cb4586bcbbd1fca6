"""The commands of `serve.py`, as its help tells them; what they do is in `commands`, which takes longer to load."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.followup.roles import PEOPLE, SCOPES


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands to the command line; without one, the desk is served."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="in place of serving")
    user = commands.add_parser("user", help="add, list or change who may sign in")
    what = user.add_subparsers(dest="what", required=True, metavar="WHAT")
    add = what.add_parser("add", help="add somebody; asks for a password, or reads one line where there is no terminal")
    add.add_argument("name")
    add.add_argument("--role", default="agent", choices=PEOPLE, help="(default: %(default)s)")
    add.add_argument("--link", action="store_true", help="no password: print a link by which they come in once")
    what.add_parser("list", help="list everybody")
    for name, words in {
        "password": "set a new password; all sessions end", "disable": "let somebody in no more",
        "enable": "let somebody in again", "link": "print a link by which somebody comes in once",
    }.items():  # fmt: skip
        what.add_parser(name, help=words).add_argument("name")
    role = what.add_parser("role", help="give another role")
    role.add_argument("name")
    role.add_argument("role", choices=PEOPLE)
    key = commands.add_parser("key", help="add, list or revoke the keys of programs")
    what = key.add_subparsers(dest="what", required=True, metavar="WHAT")
    add = what.add_parser("add", help="make a key and print it, this once")
    add.add_argument("name")
    add.add_argument("--scope", action="append", required=True, choices=SCOPES, help="repeatable")
    what.add_parser("list", help="list all keys")
    what.add_parser("revoke", help="end a key").add_argument("name")
    commands.add_parser("backup", help="write all cases into a file").add_argument("file", type=Path)
    restore = commands.add_parser("restore", help="make the store what it was when a backup was written")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="there is a store: put the backup in its place")
    labels = commands.add_parser("labels", help="write what agents corrected, as labelled rows to train on")
    labels.add_argument("file", type=Path)
    said = commands.add_parser("messages", help="print what pages say, for a file in pipeline/web/locale")
    said.add_argument("language", metavar="LANGUAGE", help="its code, such as fr; what was translated before is kept")
    commands.add_parser("audit", help="check that nothing was changed past the audit log")

"""The command line of score.py; imports nothing heavy, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on was expected, got {text!r}")
    return int(text)


def parser(description: str | None = None) -> argparse.ArgumentParser:
    """Return the command line, with `description` above its options."""
    raw = argparse.RawDescriptionHelpFormatter
    out = argparse.ArgumentParser(prog="score.py", description=description, formatter_class=raw)
    out.add_argument("inputs", nargs="*", metavar="INPUT", help="file, folder, glob, s3:// address, or database URL")
    out.add_argument("--query", metavar="SQL", help="what to read from the database that INPUT is the URL of")
    out.add_argument("--preset", metavar="NAME", help="columns of a known export: a file of configs/presets")
    out.add_argument("--output", metavar="DIR", type=Path, help="folder to publish; an earlier night there is replaced")
    out.add_argument("--model", default="champion", help="alias, models:/ URI or folder (default: %(default)s)")
    out.add_argument("--config", default="configs/default.yaml", help="YAML file of settings (default: %(default)s)")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="one setting")
    out.add_argument("--as-of", metavar="TIME", help="ISO 8601 moment that waiting is counted from (default: now)")
    out.add_argument("--since", metavar="TIME", help="reject rows of before, as before_since")
    out.add_argument("--max-rejected", type=float, metavar="SHARE", help="in place of ingest.max_rejected")
    out.add_argument("--workers", type=_count, metavar="N", help="processes (default: one per core, fewer for little)")
    out.add_argument("--engine", choices=["local", "ray"], default="local", help="where chunks are worked on")
    out.add_argument("--address", metavar="HOST:PORT", help="a running Ray cluster (default: one on this machine)")
    out.add_argument("--restart", action="store_true", help="throw an unfinished job away, do a published one again")
    out.add_argument("--enqueue", action="store_true", help="put the list into the desk; the same dump twice is once")
    out.add_argument("--dry-run", action="store_true", help="read, validate and count only")
    out.add_argument("--trace", metavar="ID", help="show one row's way, by its id or as FILE:RECORD; publish nothing")
    out.add_argument("--history", action="store_true", help="show the last nights")
    return out


@contextmanager
def copies(options: argparse.Namespace) -> Iterator[Path]:
    """Give the folder for copies of what lies elsewhere: the job's own for a night, else one that goes at the end."""
    if options.dry_run or options.trace:
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
        return
    from .journal import COPIES, folder_of

    folder = folder_of(options.output.resolve()) / COPIES
    if options.restart:
        shutil.rmtree(folder, ignore_errors=True)
    yield folder
    remains = folder.parent
    if folder.is_dir() and not (remains / "journal.sqlite").exists():  # the night ended before a job began
        shutil.rmtree(remains, ignore_errors=True)

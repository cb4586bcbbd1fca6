#!/usr/bin/env python3
"""Score a dump of feedback: every row scored or rejected with a reason, and a ranked list of whom to call.

python score.py exports/ --output out/tonight                    a folder of CSV, TSV, JSON Lines, Parquet (.gz, .zst)
python score.py survey.csv "tickets/*.jsonl" --output out --enqueue
python score.py all.csv --output out --since 2026-11-20          rows of before are not scored again
python score.py survey.csv --dry-run --set ingest.columns.text=Comment    check a file, score nothing
python score.py exports/ --trace T-88246                         one row's way through every station
python score.py --history                                        the last nights

The same command goes on after any death, and does nothing once it is done. Exit codes: 0 done; 1 unexpected; 2 bad
input or settings; 3 too many rejected; 10 a file failed, the others are scored; 11 another score.py is at work;
12 another plan is unfinished; 13 the disk or the system failed; 16 rows do not add up; 143 told to end.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

# Heavy imports stand where they are used: --help answers at once, and --dry-run loads no model.


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    options = parser().parse_args(arguments)
    if not options.history and not (options.inputs and (options.output or options.dry_run or options.trace)):
        parser().error("INPUT and --output DIR are needed (or --dry-run or --trace ID in place of DIR; or --history)")
    from pipeline.config import load

    try:
        return score(options, load(options.config, options.overrides))
    except (ValueError, FileNotFoundError) as error:
        print(f"score.py: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    out = argparse.ArgumentParser(prog="score.py", description=__doc__, formatter_class=raw)
    out.add_argument("inputs", nargs="*", metavar="INPUT", help="file, folder or glob")
    out.add_argument("--output", metavar="DIR", type=Path, help="folder to publish; an earlier night there is replaced")
    out.add_argument("--model", default="champion", help="alias, models:/ URI or folder (default: %(default)s)")
    out.add_argument("--config", default="configs/default.yaml", help="YAML file of settings (default: %(default)s)")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="one setting")
    out.add_argument("--as-of", metavar="TIME", help="ISO 8601 moment that waiting is counted from (default: now)")
    out.add_argument("--since", metavar="TIME", help="reject rows of before, as before_since")
    out.add_argument("--max-rejected", type=float, metavar="SHARE", help="in place of ingest.max_rejected")
    out.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core, fewer for little)")
    out.add_argument("--restart", action="store_true", help="throw an unfinished job away, do a published one again")
    out.add_argument("--enqueue", action="store_true", help="put the list into the desk; the same dump twice is once")
    out.add_argument("--dry-run", action="store_true", help="read, validate and count only")
    out.add_argument("--trace", metavar="ID", help="show one row's way, by its id or as FILE:RECORD; publish nothing")
    out.add_argument("--history", action="store_true", help="show the last nights")
    return out


def score(options: argparse.Namespace, config: Config) -> int:
    """Show the last nights, or count, trace, or run one."""
    from pipeline.feedback.sources import discover
    from pipeline.triage import history, intake, report

    if options.max_rejected is not None:
        config = config.overridden([f"ingest.max_rejected={options.max_rejected}"])
    if options.history:
        print("\n".join(history.table(config)))
        return 0
    now, since = report.moment(options.as_of, "--as-of"), report.moment(options.since, "--since")
    found = discover(options.inputs, follow_links=config.ingest.follow_links)
    if options.dry_run:
        counts = intake.count(found.files, config)
        print(report.summary(counts, found.ignored))
        return report.exit_code({"totals": intake.totals(counts), "failed": []}, config)
    from pipeline.triage import trace, unattended

    if options.trace:
        print("\n".join(trace.trace(options.trace, found.files, unattended.model(options, config), config, now)))
        return 0
    try:
        night = unattended.night(found, config, options, now, since)
    except unattended.Ended as ended:
        print(f"score.py: {ended}", file=sys.stderr)
        return ended.code
    print(report.closing(night.manifest, options.output, again=night.again))
    if options.enqueue:
        from pipeline.followup.store import enqueue_list

        print(f"desk: {enqueue_list(config.store.url, options.output / 'escalations.parquet', now)}")
    return report.exit_code(night.manifest, config)


if __name__ == "__main__":
    sys.exit(main())

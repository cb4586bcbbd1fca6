#!/usr/bin/env python3
"""Score a dump of feedback: every row scored or rejected with a reason, and a ranked list of whom to call.

python score.py exports/ --output out/tonight                    a folder of CSV, TSV, JSON Lines, Parquet (.gz, .zst)
python score.py survey.csv "tickets/*.jsonl" --output out --enqueue
python score.py survey.csv --dry-run --set ingest.columns.text=Comment    check a file, score nothing
python score.py exports/ --trace T-88246                         one row's way through every station

Exit codes: 0 done; 1 unexpected; 2 bad input or settings; 3 done, but more rows rejected than ingest.max_rejected.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

# Heavy imports stand where they are used: --help answers at once, and --dry-run loads no model.


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    options = parser().parse_args(arguments)
    if not (options.output or options.dry_run or options.trace):
        parser().error("--output DIR is needed (or --dry-run, or --trace ID)")
    from pipeline.config import load

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # told to end, it cleans up behind itself
    try:
        return score(options, load(options.config, options.overrides))
    except (ValueError, FileNotFoundError) as error:
        print(f"score.py: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    out = argparse.ArgumentParser(
        prog="score.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    out.add_argument("inputs", nargs="+", metavar="INPUT", help="file, folder or glob")
    out.add_argument("--output", metavar="DIR", type=Path, help="folder to publish; an earlier night there is replaced")
    out.add_argument("--model", default="champion", help="alias, models:/ URI or folder (default: %(default)s)")
    out.add_argument("--config", default="configs/default.yaml", help="YAML file of settings (default: %(default)s)")
    out.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="one setting")
    out.add_argument("--as-of", metavar="TIME", help="ISO 8601 moment that waiting is counted from (default: now)")
    out.add_argument("--enqueue", action="store_true", help="put the list into the desk; the same dump twice is once")
    out.add_argument("--dry-run", action="store_true", help="read, validate and count only")
    out.add_argument("--trace", metavar="ID", help="show one row's way, by its id or as FILE:RECORD; publish nothing")
    return out


def score(options: argparse.Namespace, config: Config) -> int:
    """Find the files, then count, trace, or run the night."""
    from pipeline.feedback.sources import discover
    from pipeline.triage import intake, report

    now = report.moment(options.as_of)
    found = discover(options.inputs, follow_links=config.ingest.follow_links)
    if options.dry_run:
        counts = intake.count(found.files, config)
        print(report.summary(counts, found.ignored))
        return report.exit_code(intake.totals(counts), config)
    if options.output and not options.trace:
        from pipeline.triage.publish import check

        check(options.output)
    from pipeline.registry import fetch
    from pipeline.triage import nightly

    model = fetch(options.model, config)
    if options.trace:
        from pipeline.triage.trace import trace

        print("\n".join(trace(options.trace, found.files, model, config, now)))
        return 0
    with report.progress() as show:
        manifest = nightly.run(found, options.output, model, config, now, show)
    print(report.closing(manifest, options.output))
    if options.enqueue:
        import pyarrow.parquet as pq

        from pipeline.followup.store import Store

        store = Store.open(config.store.url)
        enqueued = store.enqueue(pq.read_table(options.output / "escalations.parquet"), at=now)
        store.close()
        print(f"desk: {enqueued.opened} cases opened, {enqueued.updated} updated, {enqueued.unchanged} unchanged")
    return report.exit_code(manifest["totals"], config)


if __name__ == "__main__":
    sys.exit(main())

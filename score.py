#!/usr/bin/env python3
"""Score a dump of feedback: every row scored or rejected with a reason, and a ranked list of whom to call.

python score.py exports/ --output out/tonight                    a folder of CSV, TSV, JSON Lines, Parquet (.gz, .zst)
python score.py survey.csv "tickets/*.jsonl" --output out --enqueue
python score.py all.csv --output out --since 2026-11-20          rows of before are not scored again
python score.py survey.csv --dry-run --set ingest.columns.text=Comment    check a file, score nothing
python score.py exports/ --trace T-88246                         one row's way through every station
python score.py postgresql://reader@db/crm --query "select ..." --output out      a database; --history: the last nights

The same command goes on after any death, and does nothing once it is done. Exit codes: 0 done; 1 unexpected; 2 bad
input or settings; 3 too many rejected; 10 a file failed, the others are scored; 11 another score.py is at work;
12 another plan is unfinished; 13 the disk or the system failed; 16 rows do not add up; 143 told to end.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pipeline.triage.options import parser

if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import datetime

    from pipeline.config import Config
    from pipeline.feedback.sources import Discovery

# Heavy imports stand where they are used: --help answers at once.


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    commands = parser(__doc__)
    options = commands.parse_args(arguments)
    if not options.history and not (options.inputs and (options.output or options.dry_run or options.trace)):
        commands.error("INPUT and --output DIR are needed (or --dry-run or --trace ID in place of DIR; or --history)")
    from pipeline.config import load

    try:
        return score(options, load(options.config, options.overrides, options.preset))
    except (ValueError, FileNotFoundError) as error:
        print(f"score.py: {error}", file=sys.stderr)
        return 2


def score(options: Namespace, config: Config) -> int:
    """Show the last nights, or find the files of one and work on them."""
    from pipeline.config import ConfigError
    from pipeline.feedback.remote import gathered
    from pipeline.triage import history, report
    from pipeline.triage.options import copies

    if options.max_rejected is not None:
        config = config.overridden([f"ingest.max_rejected={options.max_rejected}"])
    if options.history:
        print("\n".join(history.table(config)))
        return 0
    if options.address and options.engine != "ray":
        raise ConfigError("--address is of a Ray cluster; add --engine ray")
    now, since = report.moment(options.as_of, "--as-of"), report.moment(options.since, "--since")
    with copies(options) as folder:
        return worked(options, config, gathered(options.inputs, config, folder, query=options.query), now, since)


def worked(options: Namespace, config: Config, found: Discovery, now: datetime | None, since: datetime | None) -> int:
    """Count, trace, or run a night over the files in `found`."""
    from pipeline.triage import intake, report

    if options.dry_run:
        counts = intake.count(found.files, config)
        print(report.summary(counts, found.ignored))
        return report.exit_code({"totals": intake.totals(counts), "failed": []}, config)
    if options.trace:
        from pipeline.registry import fetch
        from pipeline.triage.trace import trace

        print("\n".join(trace(options.trace, found.files, fetch(options.model, config), config, now)))
        return 0
    from pipeline.triage import unattended

    if options.enqueue:
        from pipeline.followup.night import check, take_in

        check(config)
    try:
        night = unattended.night(found, config, options, now, since)
    except unattended.Ended as ended:
        print(f"score.py: {ended}", file=sys.stderr)
        return ended.code
    print(report.closing(night.manifest, options.output, again=night.again))
    if options.enqueue:
        print(f"desk: {take_in(config, options.output)}")
    return report.exit_code(night.manifest, config)


if __name__ == "__main__":
    sys.exit(main())

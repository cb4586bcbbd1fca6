#!/usr/bin/env python3
"""Train a triage model, evaluate it, log it to MLflow, and let it serve if it beats the one that does.

python train.py                                            the starter corpus, configs/default.yaml
python train.py --config configs/airline.yaml              another data set
python train.py --set model.linear.epochs=30 --set seed=11        a setting changed for this run
python train.py --audit                                    look at the data and train nothing: report and wrong labels
python train.py --search 20                                tune on held-out rows first (Optuna; goes on if cut short)
python train.py --no-promote                               leave the new version challenger, whatever the gate says
python train.py --promote                                  let the new version serve, whatever the gate says
python train.py --promote 12                               let version 12 serve; nothing is trained
python train.py --rollback                                 let the version serve again that did before
python train.py --compare 11 12                            two versions (or runs) side by side, in text and as a page
python train.py --history                                  which version served when, why, and who decided
python train.py --lineage linear-192ff425c852              what made the model that a prediction names

Exit codes: 0 done; 2 bad input or settings; 4 the audit found what is bad; 5 the gate refused the new version.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config import Config

REFUSED = 5


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 done, 2 bad input or settings, 4 the audit found what is bad, 5 the gate refused."""
    options = _options(arguments)

    from pipeline.config import load

    try:
        return _run(load(options.config, options.overrides), options)
    except (ValueError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/default.yaml", help="YAML file of settings (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="one setting")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="try N settings first, train the best")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--audit", action="store_true", help="audit the data only; exit code 4 if a finding is bad")
    what.add_argument("--promote", nargs="?", const="new", metavar="VERSION", help="let the new, or a version, serve")
    what.add_argument("--no-promote", action="store_true", help="let the new version stay challenger")
    what.add_argument("--rollback", action="store_true", help="let the version before the champion serve again")
    what.add_argument("--compare", nargs=2, metavar=("A", "B"), help="tell two versions, runs or aliases apart")
    what.add_argument("--history", action="store_true", help="list who served when, and why")
    what.add_argument("--lineage", metavar="MODEL", help="tell what made a version, run, alias or model_version")
    return parser.parse_args(arguments)


def _run(config: Config, options: argparse.Namespace) -> int:
    if options.lineage or options.history or options.rollback or options.promote not in (None, "new"):
        return _change(config, options)
    from pipeline.learning.differences import told
    from pipeline.learning.promotion import Wish
    from pipeline.learning.recipe import audit_alone, run

    if options.compare:
        print("\n".join(told(config, *options.compare)))
        return 0
    if options.audit:
        return 4 if audit_alone(config).worst == "bad" else 0
    wish: Wish = "always" if options.promote else "never" if options.no_promote else "gate"
    new, decision = run(config, wish=wish, trials=options.search)
    print(f"registered {new.name} version {new.version} as {new.alias} (run {new.run_id})")
    return REFUSED if wish == "gate" and not decision.promote else 0


def _change(config: Config, options: argparse.Namespace) -> int:
    """Change who serves, or tell who did; nothing is trained."""
    from pipeline import registry

    if options.lineage:
        for name, value in registry.lineage(options.lineage, config).items():
            print(f"{name:<14} {value}")
        return 0
    if options.history:
        for one in registry.history(config):
            print(f"{one.when}  version {one.version} after {one.previous or 'none'}, by {one.by}: {one.why}")
        return 0
    one = registry.rollback(config) if options.rollback else registry.promote(config, options.promote, "by --promote")
    print(f"{config.tracking.model_name} version {one.version} serves now, after {one.previous or 'none'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

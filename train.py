#!/usr/bin/env python3
"""Train a triage model, evaluate it, log it to MLflow and register it.

python train.py                                            the starter corpus, configs/default.yaml
python train.py --config configs/airline.yaml              another data set
python train.py --set model.linear.epochs=30 --set seed=11        a setting changed for this run
python train.py --search 20                                tune on held-out rows first (Optuna; goes on if cut short)
python train.py --audit                                    look at the data and train nothing: report and wrong labels
python train.py --promote                                  make it champion: score.py and serve.py use it from now on
"""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 done, 2 bad input or configuration, 4 the data audit found what is bad."""
    parser = argparse.ArgumentParser(
        prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="configs/default.yaml", help="YAML file of settings (default: %(default)s)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="one setting")
    parser.add_argument("--promote", action="store_true", help="make the new version champion, whatever serves now")
    parser.add_argument(
        "--search", type=int, default=0, metavar="N", help="try N settings on held-out rows, train the best"
    )
    parser.add_argument("--audit", action="store_true", help="audit the data only; exit code 4 if a finding is bad")
    options = parser.parse_args(arguments)

    from pipeline.config import load

    try:
        config = load(options.config, options.overrides)
        from pipeline.learning.recipe import audit_alone, run

        if options.audit:
            return 4 if audit_alone(config).worst == "bad" else 0
        registered = run(config, promote=options.promote, trials=options.search)
    except (ValueError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    print(f"registered {registered.name} version {registered.version} as {registered.alias} (run {registered.run_id})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

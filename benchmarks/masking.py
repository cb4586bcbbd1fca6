"""What masking and folding cost: microseconds for an ordinary text, worst milliseconds for a hostile one.

Run: python -m benchmarks.masking
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.machine import record
from models import masking, numbers, text

HOSTILE_CHARACTERS = 100_000
STARTER = Path(__file__).parents[1] / "data" / "starter"


def hostile_texts() -> Iterator[tuple[str, str]]:
    """Yield name and 100,000 characters made to slow a careless pattern down."""
    seeds = [
        "a",
        "1",
        "1 ",
        "a.",
        "@",
        "a@",
        ".",
        ":",
        "-",
        "+1 ",
        "http://",
        "www.",
        "01 ",
        "+49 30 ",
        "4111 ",
        "aa11 ",
    ]
    seeds += [
        "DE89 ",
        "a@a.",
        "1.1.",
        "1:",
        "call 1",
        "call ",
        "eyJ",
        "?a=",
        "12-",
        "(",
        "0(",
        "9-",
        "12345678A ",
        "[",
        "é",
    ]
    seeds += [
        "555-",
        "tel",
        "\u200b",
        "О",
        "1\u200b",
        "order ",
        " ",
        "\x7f",
        "1.2.3.4",
        "0123456789 ",
        "sk_",
        "[PHONE]",
    ]
    for seed in seeds:
        yield repr(seed), (seed * HOSTILE_CHARACTERS)[:HOSTILE_CHARACTERS]
    draw = random.Random(7)
    for alphabet in ("01 ", "0123456789 -.()+/", "a@.-1", "abcf0123:", "[]1 -", "cal1 te", "ABCDEFXYZ0123456789 "):
        yield f"random {alphabet!r}", "".join(draw.choices(alphabet, k=HOSTILE_CHARACTERS))


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield each compiled pattern of masking and folding with its name."""
    for module in (masking, numbers, text):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module.__name__}.{name}", value
    for check, shape, _ in numbers._national_patterns():
        yield f"national {check or shape.pattern[-40:]}", shape


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long `work` keeps the processor busy: other work on the machine does not count."""
    started = time.thread_time()
    work()
    return (time.thread_time() - started) * 1000


def worst(work: Callable[[str], object], texts: list[tuple[str, str]]) -> tuple[float, str]:
    """Return the most milliseconds that `work` takes on one of `texts`, and the name of that text."""
    return max((milliseconds(partial(work, body)), name) for name, body in texts)


def main() -> None:
    """Measure, and record the worst pattern, the worst whole call, and the mean of ordinary texts."""
    texts = list(hostile_texts())
    text.mask_all([body[:200] for _, body in texts])  # loads the libraries
    slowest = sorted(((*worst(partial(exhaust, pattern), texts), name) for name, pattern in patterns()), reverse=True)
    lines = [
        f"Worst milliseconds of the processor on {HOSTILE_CHARACTERS:,} hostile characters, target 50 a pattern:",
        "",
    ]
    lines += ["| what | worst ms | on |", "| --- | ---: | --- |"]
    lines += [f"| {name} | {figure:.1f} | `{seed}` |" for figure, seed, name in slowest[:5]]
    for function in (text.mask, text.fold):
        figure, seed = worst(function, texts)
        lines.append(f"| {function.__name__}, all patterns | {figure:.1f} | `{seed}` |")
    lines += ["", "Mean microseconds for a text of the starter corpus cut to 100 characters:", ""]
    lines += ["| texts | mask | fold | both |", "| --- | ---: | ---: | ---: |", *ordinary()]
    record("Masking and folding", lines)


def ordinary() -> Iterator[str]:
    """Yield a row of the table for each group of texts of the corpus."""
    corpus = [
        json.loads(line)["text"][:100]
        for path in sorted(STARTER.glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    plain = [body for body in corpus if not re.search(r"[\d@:=]", body)]
    digits = [body for body in corpus if re.search(r"\d", body)]
    for name, group in (("nothing to look at", plain), ("with a digit", digits), ("all", corpus)):
        best = [
            min(milliseconds(partial(work, group)) for _ in range(5)) * 1000 / len(group)
            for work in (text.mask_all, text.fold_all, text.prepare_all)
        ]
        yield f"| {len(group):,}, {name} | {best[0]:.1f} | {best[1]:.1f} | {best[2]:.1f} |"


def exhaust(pattern: re.Pattern[str], body: str) -> int:
    """Return how often `pattern` is found in `body`."""
    return sum(1 for _ in pattern.finditer(body))


if __name__ == "__main__":
    main()

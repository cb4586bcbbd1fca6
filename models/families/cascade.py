"""Family `cascade`: family `linear` reads every row, the encoder only those that it can change something about.

Those are the rows about which the first tier is least certain, in any head, and the rows that may make the list of
whom to call. Each tier is calibrated on its own before they meet, for mixing numbers of two scales ruins a ranking.
Where the encoder reads, it does not overrule the first tier: their calibrated logits are averaged, per head.
Which row goes on depends on that row alone, so that a text is predicted alike whatever stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attribution import Attribution, joined
from ..schema import Schema
from ..targets import Targets
from .encoder import Encoder
from .forward import Forward, later
from .linear import Linear
from .routing import Routing
from .stacking import Stacking

Floats = NDArray[np.float32]


@dataclass
class Cascade:
    """Two tiers, how they are put on one scale (`stacking`), and which rows the second one reads (`routing`)."""

    first: Linear
    second: Encoder
    stacking: Stacking
    routing: Routing
    report: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Callable[..., None] = lambda *_: None,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> Cascade:
        """Return both tiers fitted, and the smallest share of rows for the encoder that costs no more than it may.

        Without held-out rows nothing can be chosen: the encoder then reads every row, and alone decides.
        """
        first = Linear.fit(texts, targets, schema, settings, seed)
        progress(0.05)
        second = Encoder.fit(texts, targets, schema, settings, seed, later(progress, 0.05), held_out)
        report: dict[str, Any] = {"encoder": second.report}
        if held_out is None:
            family = cls(first, second, Stacking.second_alone(schema), Routing.everything(schema), report)
        else:
            family = cls._chosen(first, second, schema, settings, report, *held_out)
        progress(1.0)
        return family

    @classmethod
    def _chosen(
        cls, first: Linear, second: Encoder, schema: Schema, settings: Mapping[str, Any], report: dict[str, Any],
        texts: Sequence[str], targets: Targets,
    ) -> Cascade:  # fmt: skip
        from .choosing import choose

        (one, one_takes), (two, two_takes) = (_timed(tier, texts) for tier in (first, second))
        stacking = Stacking.fit(schema, one, two, targets)
        settled, mixed = stacking.of_first(one), stacking.of_both(one, two)
        alone = stacking.of_second(two)
        routing, curve = choose(schema, settled, mixed, alone, targets, settings["cascade"], settings.get("rank"))
        for point in curve:
            point["rows_per_second"] = round(1 / (one_takes + point["share"] * two_takes), 1)
        report |= {"share": routing.share, "curve": curve, "stacking": stacking.to_json()["second"]}
        return cls(first, second, stacking, routing, report)

    def forward(self, texts: Sequence[str]) -> Forward:
        """Return the logits of `texts`, and how far each could be read by the tiers that read it."""
        one, wordless, windows, familiar = self.first.forward(texts)
        logits = self.stacking.of_first(one)
        routed = np.flatnonzero(self.routing(logits) | wordless)
        if len(routed):
            two = self.second.forward([texts[row] for row in routed.tolist()])
            logits[routed] = self.stacking.of_both(one[routed], two.logits)
            wordless[routed] &= two.wordless
            windows[routed] = two.windows
        return Forward(logits, wordless, windows, familiar)

    def attribute(self, texts: Sequence[str], directions: Floats) -> Attribution:
        """Return what each word of `texts` adds along every row of `directions`, as the tier that decided sees it.

        Where both did, that is the encoder's view: leaving a word out of the text and asking both.
        """
        one, wordless, *_ = self.first.forward(texts)
        routed = self.routing(self.stacking.of_first(one)) | wordless
        rows = [np.flatnonzero(~routed), np.flatnonzero(routed)]
        parts = [[texts[row] for row in some.tolist()] for some in rows]
        settled = self.first.attribute(parts[0], directions * self.stacking.slope_of_first)
        mixed = self.second.attribute_by(self._both, parts[1], directions)
        return joined([(settled, rows[0]), (mixed, rows[1])])

    def _both(self, texts: Sequence[str]) -> Floats:
        return self.stacking.of_both(self.first.forward(texts).logits, self.second.logits(texts))

    def save(self, folder: Path) -> None:
        """Write both tiers into `folder`, and ``cascade.json`` beside them."""
        self.first.save(folder)
        self.second.save(folder)
        contents = {
            "stacking": self.stacking.to_json(),
            "routing": self.routing.to_json(),
            "report": self.report,
        }
        (folder / "cascade.json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, schema: Schema) -> Cascade:
        """Return the family that `save` wrote; raises as its tiers do."""
        contents = json.loads((folder / "cascade.json").read_text(encoding="utf-8"))
        return cls(
            first=Linear.load(folder, schema),
            second=Encoder.load(folder, schema),
            stacking=Stacking.from_json(schema, contents["stacking"]),
            routing=Routing.from_json(schema, contents["routing"]),
            report=contents["report"],
        )


def _timed(tier: Linear | Encoder, texts: Sequence[str]) -> tuple[Floats, float]:
    """Return the logits of `texts`, and the seconds that a text took."""
    from time import perf_counter

    tier.forward(texts[:1])
    start = perf_counter()
    logits = tier.forward(texts).logits
    return logits, (perf_counter() - start) / max(len(texts), 1)

"""What a night is asked to do: which bytes are read, by which model, with which settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.record import InputError
from pipeline.feedback.sources import Discovery, SourceFile


@dataclass(frozen=True)
class Input:
    """A file as it was when the job was planned."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """Everything that the result depends on; equal plans give equal bytes.

    Attributes
    ----------
    as_of, since
        The moments asked for by hand, as ISO 8601 texts; None where waiting is counted from the start of the job, and
        where no row is too old.
    """

    inputs: tuple[Input, ...]
    model: str
    config: str
    as_of: str | None
    since: str | None

    @classmethod
    def of(
        cls, found: Discovery, model: TriageModel, config: Config, as_of: str | None, since: str | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Plan:  # fmt: skip
        """Return the plan of a job over the files in `found`; every byte of them is read once.

        Raises
        ------
        InputError
            A file that cannot be read.
        """
        inputs = []
        for file in found.files:
            inputs.append(_input(file))
            progress(inputs[-1].size)
        # Where the code of two versions differs and their weights do not, the package's name does.
        code = type(model).__module__.partition(".")[0]
        return cls(tuple(inputs), f"{model.version}/{code}", config.digest(), as_of, since)

    @property
    def job_id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the plan."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the plan as JSON; `from_json` reads it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields | {"inputs": tuple(Input(**item) for item in fields["inputs"])})

    def differences(self, other: Plan) -> list[str]:
        """Return what `other` has otherwise, in words."""
        out = []
        before, after = ({item.path: item for item in plan.inputs} for plan in (self, other))
        for what, names in {
            "changed": [name for name in before if name in after and before[name] != after[name]],
            "gone": [name for name in before if name not in after],
            "new": [name for name in after if name not in before],
        }.items():
            out += [f"{_some(names)} {'is' if len(names) == 1 else 'are'} {what}"] if names else []
        named = {"model": "the model", "config": "the configuration", "as_of": "--as-of", "since": "--since"}
        return out + [
            f"{said} is another" for name, said in named.items() if getattr(self, name) != getattr(other, name)
        ]


def _input(file: SourceFile) -> Input:
    try:
        return Input(file.name, file.path.stat().st_size, file.sha256())
    except OSError as error:
        raise InputError(f"{file.name!r} cannot be opened: {error.strerror}; check its permissions") from error


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

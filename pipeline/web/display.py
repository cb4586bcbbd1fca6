"""What the desk shows of a case and in which words: data, so that a new head or factor needs no new code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Display:
    """Heads with a place of their own in the queue, the tone of labels, and words for people.

    A head that is not named here is shown after those that are; a label without a tone is plain; a name without words
    is shown as it is, with spaces for underscores. Colour never speaks alone: the label always stands beside it.
    """

    columns: tuple[str, ...] = ("urgency", "complaint_type")
    tone_head: str = "urgency"
    playbook_head: str = "complaint_type"
    tones: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"urgency": {"critical": "alarm", "high": "warn", "normal": "calm", "low": "quiet"}}
    )
    words: Mapping[str, str] = field(
        default_factory=lambda: {
            "detractor": "Likely detractor",
            "churn_threat": "Threatens to leave",
            "legal_threat": "Names a lawyer or regulator",
            "public_threat": "Will tell others",
            "repeat_contact": "Had to ask before",
            "value_hint": "Long-standing or large customer",
            "complaint_type": "Type",
            "none": "No complaint",
            "customer_value": "Value of the customer",
            "reach": "Audience",
            "waiting": "Has been waiting",
            "due_sooner": "Due sooner",
            "everything_else": "Everything else",
            "own": "Own it",
            "fix": "Fix it",
            "make_up": "Make up for it",
            "cause": "Find the cause",
            "thank": "Thank them",
            "not_detractor": "Not a detractor",
            "standing": "Most important first",
            "due": "Due soonest first",
            "newest": "Newest first",
            "no_words": "no word that the model knows",
            "language": "a language that the model was not tested in",
            "unfamiliar": "unlike what the model has learnt from",
            "uncertain": "the model is in doubt",
            "free": "To call",
            "mine": "Mine",
        }
    )

    def name(self, key: str) -> str:
        """Return the words for a head, a label or a factor."""
        words = key.replace("_", " ").strip()
        return self.words.get(key) or (words[:1].upper() + words[1:])

    def tone(self, head: str, label: str) -> str:
        """Return the tone of a label: ``alarm``, ``warn``, ``calm``, ``quiet`` or ``plain``."""
        return self.tones.get(head, {}).get(label, "plain")

    def ordered(self, heads: Sequence[str]) -> list[str]:
        """Return the names of `heads`, each once, those with a place of their own first."""
        return list(dict.fromkeys([*(head for head in self.columns if head in heads), *heads]))

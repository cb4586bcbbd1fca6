"""Behaviour tests: the shipped ones can be read and told apart; what a file gets wrong is said in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.schema import Schema
from models.triage import TriageModel
from pipeline.config import Config, ConfigError
from pipeline.learning.behaviour import CHANGES, behave, load_tests


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Return a function that makes a configuration whose behaviour tests are those given."""

    def config(*tests: Any) -> Config:
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(list(tests)), encoding="utf-8")
        return Config.model_validate({"evaluation": {"behaviour": f"{tmp_path}/*.yaml"}})

    return config


def test_the_shipped_tests_say_what_a_model_does_not_do(model: TriageModel) -> None:
    """The tests' model is small: it fails some, and passes all that it must not be sold without."""
    outcomes = {outcome.name: outcome for outcome in behave(model, Config())}
    assert len(outcomes) >= 12
    assert {outcome.kind for outcome in outcomes.values()} == {"minimum", "invariance", "direction"}
    assert outcomes["what cannot be seen changes nothing"].good
    assert outcomes["a threat to leave is heard"].passed > 0.5
    assert not all(outcome.good for outcome in outcomes.values())
    for outcome in outcomes.values():
        assert bool(outcome.example) == (outcome.passed < 1)


def test_tests_of_heads_that_a_model_lacks_are_left_out(model: TriageModel) -> None:
    alone = Schema((model.schema["sentiment"],))

    class OneHead:
        schema = alone

    from pipeline.learning.behaviour import _asked, _told

    kept = [test["name"] for test in load_tests(Config()) if _asked(test) <= _told(OneHead().schema)]
    assert "sarcasm is no praise" in kept
    assert "a threat to leave is heard" not in kept


TEST = {"name": "t", "kind": "minimum", "texts": ["I am cancelling tonight"], "expect": {"priority": ">= 0"}}


@pytest.mark.parametrize(
    ("expect", "good"),
    [
        ({"priority": ">= 0"}, True),
        ({"priority": "< 0"}, False),
        ({"priority": "<= 100", "p_detractor": "> 0"}, True),
        ({"sentiment": "negative"}, True),
        ({"sentiment": "positive"}, False),
    ],
)
def test_what_is_expected_is_what_counts(model: TriageModel, written: Any, expect: dict[str, str], good: bool) -> None:
    (outcome,) = behave(model, written({**TEST, "expect": expect}))
    assert (outcome.good, outcome.passed) == (good, float(good))
    assert outcome.example == ("" if good else TEST["texts"][0])


def test_a_share_of_the_texts_may_be_enough(model: TriageModel, written: Any) -> None:
    test = {**TEST, "texts": ["I am cancelling tonight", "thanks, all good"], "expect": {"sentiment": "negative"}}
    assert not behave(model, written(test))[0].good
    assert behave(model, written({**test, "at_least": 0.5, "must": True}))[0] == replace(
        behave(model, written({**test, "at_least": 0.5}))[0], must=True
    )


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ({**TEST, "kind": "magic"}, "test t: kind must be one of minimum, invariance, direction"),
        ({"name": "t", "kind": "minimum", "texts": []}, "test t lacks expect"),
        ({**TEST, "texts": []}, "test t: texts must be a list of texts, at least one; got"),
        ({**TEST, "texts": "this is awful"}, "texts must be a list of texts, at least one; got 'this is awful'"),
        ({**TEST, "at_least": "many"}, "at_least must be a share from 0 to 1; got 'many'"),
        ({**TEST, "atleast": 0.5}, "'atleast' is no part of a test"),
        ({**TEST, "expect": {"sentimnt": "negative"}}, "'sentimnt' is no column of a prediction; 'sentiment'"),
        ({**TEST, "expect": {"priority": "=> 1"}}, "priority wants a bound such as '>= 0.5'; got '=> 1'"),
        ({"name": "t", "kind": "direction", "texts": [], "add": "x"}, "test t lacks raises or lowers"),
        (
            {"name": "t", "kind": "invariance", "texts": [], "keep": [], "change": ["rot13"]},
            "change 'rot13' is none of",
        ),
        ("words", "test 'words': kind must be"),
    ],
)
def test_a_test_that_cannot_be_understood_is_said(written: Any, test: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_tests(written(test))


def test_a_file_that_is_no_list_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: t\n")
    with pytest.raises(ConfigError, match=r"must hold a list of behaviour tests; got dict$"):
        load_tests(Config.model_validate({"evaluation": {"behaviour": f"{tmp_path}/*.yaml"}}))


def test_changes_change_what_they_say() -> None:
    text = "My husband told Anna Smith that he waited."
    changed = {name: change(text) for name, change in CHANGES.items()}
    assert changed["gender"] == "My wife told Anna Smith that she waited."
    assert changed["names"] == "My husband told Mehmet Nguyen that he waited."
    assert changed["typo"] == "My hubsand told Anna Smith that he waited."
    assert changed["invisible characters"] != text
    assert CHANGES["typo"]("") == ""

"""Settings: what the file says, what is laid over it, and the sentence for what cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from pipeline.config import DEFAULT, ROOT, Config, ConfigError, load, read_yaml, resolve
from pipeline.followup import playbooks
from pipeline.followup.policy import Policy


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write_(content: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(content, encoding="utf-8")
        return path

    return write_


def refused(*overrides: str, path: str | Path = DEFAULT) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return str(caught.value)


def test_the_default_file_states_every_default_and_nothing_else() -> None:
    """Whoever reads configs/default.yaml reads what the program does."""
    stated = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    assert stated == Config().model_dump()
    assert load() == Config()
    assert load().digest() == Config().digest()


def test_what_a_file_leaves_out_keeps_its_default(write: Callable[[str], Path]) -> None:
    assert load(write("")) == Config()
    assert load(write("rank: {agents: 6}")) == Config.model_validate({"rank": {"agents": 6}})


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_file_can_be_loaded(path: Path) -> None:
    if path.name == "labels.yaml":
        assert Config(labels=str(path)).schema_().names
    elif path.name == "desk.yaml":
        assert Policy.of(Config(desk=str(path))) == Policy()  # the file says every default, with its why
    elif path.name.startswith("playbooks"):
        assert playbooks.load(str(path))["default"].own
    else:
        assert load(path).schema_().names


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("rank.agents=6", lambda config: config.rank.agents == 6),
        ("seed=11", lambda config: config.seed == 11),
        (" seed = 11 ", lambda config: config.seed == 11),
        ("rank.weights.reach=2.5", lambda config: config.rank.weights["reach"] == 2.5),
        ("rank.weights={reach: 1}", lambda config: config.rank.weights == {"reach": 1}),
        (
            "ingest.columns.text=Consumer complaint",
            lambda config: config.ingest.columns == {"text": "Consumer complaint"},
        ),
        ("ingest.columns.text=a=b", lambda config: config.ingest.columns == {"text": "a=b"}),
        ("ingest.follow_links=true", lambda config: config.ingest.follow_links is True),
        (
            "data.sources=[{path: x.csv, split_column: side}]",
            lambda config: config.data.sources[0].split_column == "side",
        ),
        ("labels={heads: {h: {kind: binary}}}", lambda config: config.schema_().names == ["h"]),
        ("ingest={rating_min: 5, rating_max: 1}", lambda config: config.ingest.rating_min == 5),
    ],
)
def test_a_setting_laid_over(override: str, read: Callable[[Config], bool]) -> None:
    assert read(load(overrides=[override]))


def test_the_last_of_two_wins_and_the_digest_tells_them_apart() -> None:
    assert load(overrides=["seed=1", "seed=2"]).seed == 2
    assert load(overrides=["seed=1"]).digest() != load(overrides=["seed=2"]).digest()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("sead=1", "unknown setting 'sead'; did you mean 'seed'?"),
        ("rank.agent=6", "unknown setting 'rank.agent'; did you mean 'agents'?"),
        ("model.famly=linear", "unknown setting 'model.famly'; did you mean 'family'?"),
        (
            "data.split.zzz=1",
            "unknown setting 'data.split.zzz'; known here are by, calibration, latest, test.",
        ),
        (
            "data.sources=[{path: a, colums: {}}]",
            "unknown setting 'data.sources.0.colums'; did you mean 'columns'?",
        ),
        ("rank.agents=0", "setting 'rank.agents': input should be greater than or equal to 1; got 0"),
        (
            "rank.agents=many",
            "setting 'rank.agents': input should be a valid integer, unable to parse string as an integer; got 'many'",
        ),
        ("rank.weights.reach=-1", "setting 'rank.weights.reach': input should be greater than or equal to 0; got -1"),
        ("rank.weights.reach=11", "setting 'rank.weights.reach': input should be less than or equal to 10; got 11"),
        ("data.split.test=1", "setting 'data.split.test': input should be less than 1; got 1"),
        ("data.split.calibration=0", "setting 'data.split.calibration': input should be greater than 0; got 0"),
        (
            "data.split.test=0.85",
            "setting 'data.split': test + calibration must leave at least 0.1 to train on; "
            "got {'by': 'customer_id', 'test': 0.85, 'calibration': 0.1, 'latest': False}",
        ),
        (
            "ingest.batch_rows=70000",
            "setting 'ingest.batch_rows': input should be less than or equal to 65536; got 70000",
        ),
        (
            "evaluation.bootstrap=10",
            "setting 'evaluation.bootstrap': input should be greater than or equal to 50; got 10",
        ),
        ("rank=5", "setting 'rank': input should be a valid dictionary or instance of Rank; got 5"),
        ("rank.agents", "--set takes key=value, such as rank.agents=6; got 'rank.agents'"),
        ("=6", "--set takes key=value, such as rank.agents=6; got '=6'"),
        ("seed.deep=1", "--set seed.deep=1: 'seed' is a value, not a group of settings"),
        ("data.sources.0.path=x", "--set data.sources.0.path=x: 'sources' is a value, not a group of settings"),
        ("seed=[1", "--set seed=[1: the value is not YAML; quote it"),
    ],
)
def test_what_is_refused_and_in_which_words(override: str, sentence: str) -> None:
    assert refused(override) == sentence


def test_a_rating_scale_needs_two_ends() -> None:
    sentence = refused("ingest.rating_min=5")
    assert sentence.startswith(
        "setting 'ingest': rating_min and rating_max must differ "
        "(rating_min is the worst answer, rating_max the best); "
        "got {"
    )
    assert len(sentence) < 250


@pytest.mark.parametrize(
    "key",
    [
        "rank.repeat_window_days",
        "model.linear.learning_rate",
        "ingest.rating_min",
        "ingest.rating_max",
        "ingest.max_decompressed_mib",
    ],
)
@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_what_is_no_finite_number_is_refused(key: str, value: str) -> None:
    """An endless window or step would only show itself as NaN in the middle of a run."""
    assert refused(f"{key}={value}").startswith(f"setting '{key}': input should be ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("- a\n- b\n", "must hold a mapping of settings; it holds a list"),
        ("just words", "must hold a mapping of settings; it holds a str"),
        ("rank: {agents: 6", "cannot be read as YAML: while parsing a flow mapping"),
        ("a: b: c", "cannot be read as YAML: mapping values are not allowed here"),
    ],
)
def test_a_file_that_holds_no_settings(write: Callable[[str], Path], content: str, sentence: str) -> None:
    path = write(content)
    assert refused(path=path).startswith(f"{path} {sentence}")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"seed: \xff")
    assert refused(path=path).startswith(f"{path} cannot be read as YAML: ")
    assert refused(path=tmp_path).startswith(f"{tmp_path} cannot be read as YAML: ")


def test_a_file_that_is_not_there() -> None:
    assert refused(path="configs/defualt.yaml") == (
        f"there is no file {ROOT}/configs/defualt.yaml; give the path of a YAML file such as configs/default.yaml"
    )


def test_an_unknown_key_in_a_file(write: Callable[[str], Path]) -> None:
    assert refused(path=write("tracking: {url: sqlite:///x}")) == (
        "unknown setting 'tracking.url'; did you mean 'uri'?"
    )


@pytest.mark.parametrize(
    ("variable", "section", "key"),
    [("MLFLOW_TRACKING_URI", "tracking", "uri"), ("AMENDS_STORE_URL", "store", "url")],
)
def test_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path], variable: str, section: str, key: str
) -> None:
    monkeypatch.setenv(variable, "sqlite:////elsewhere.db")

    def found(config: Config) -> Any:
        return getattr(getattr(config, section), key)

    assert found(load(overrides=[f"{section}.{key}=sqlite:///here.db"])) == "sqlite:////elsewhere.db"
    assert found(load(write(""))) == "sqlite:////elsewhere.db"
    monkeypatch.setenv(variable, "")
    assert found(load(overrides=[f"{section}.{key}=sqlite:///here.db"])) == "sqlite:///here.db"


@pytest.mark.parametrize("content", ["tracking:\n", "tracking: mine\n", "tracking: [1]\n"])
def test_the_environment_does_not_hide_a_broken_section(
    monkeypatch: pytest.MonkeyPatch, write: Callable[[str], Path], content: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere.db")
    assert refused(path=write(content)).startswith("setting 'tracking': input should be a valid dictionary")


def test_a_label_schema_that_cannot_be_used_names_its_file(write: Callable[[str], Path]) -> None:
    path = write("heads: {mood: {kind: nominl, labels: [a, b]}}")
    with pytest.raises(ConfigError) as caught:
        Config(labels=str(path)).schema_()
    assert str(caught.value) == (
        f"{path}: head 'mood': kind must be one of nominal, ordinal, binary, multilabel; got 'nominl'; "
        "did you mean 'nominal'?"
    )
    with pytest.raises(ConfigError, match=r"^labels: a label schema needs a mapping 'heads:'"):
        Config(labels={}).schema_()
    with pytest.raises(ConfigError, match=r"^there is no file .*nowhere.yaml; give the path of a YAML file"):
        Config(labels="configs/nowhere.yaml").schema_()


def test_nothing_changes_after_loading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().seed = 8  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        Config().rank.agents = 8  # type: ignore[misc]


def test_settings_of_one_do_not_leak_into_another() -> None:
    load(overrides=["rank.weights.reach=9", "ingest.columns.text=Comment"])
    assert load() == Config()


@pytest.mark.parametrize(
    ("agents", "day", "call", "capacity"), [(4, 240, 20, 48), (1, 10, 20, 1), (1, 59, 20, 2), (3, 100, 7, 42)]
)
def test_capacity_is_what_a_day_has_room_for(agents: int, day: int, call: int, capacity: int) -> None:
    rank = {"agents": agents, "minutes_per_day": day, "minutes_per_call": call}
    assert Config.model_validate({"rank": rank}).rank.capacity == capacity


def test_paths_start_at_the_repository(tmp_path: Path) -> None:
    assert resolve("configs/default.yaml") == DEFAULT
    assert resolve(tmp_path) == tmp_path
    assert resolve("~/x") == Path.home() / "x"
    assert read_yaml(DEFAULT)["seed"] == 7

"""The command as a person meets it: help, mistakes, settings files, the example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice import output, regions
from sluice.commands.models import _first_line
from sluice.commands.settings import TEMPLATE
from sluice.main import _MODULES, main
from sluicegate.domain.settings import ModelSettings, parse_settings

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No region, no AWS account, an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def sluice(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_help_lists_every_command_and_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sluice(capsys, "--help")
    assert code == 0
    for name in _MODULES:
        assert f"\n  {name} " in out
    assert 'eval "$(sluice env)"' in out


@pytest.mark.parametrize("name", sorted(_MODULES))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sluice(capsys, name, "--help")
    assert code == 0
    assert f"Usage: sluice {name}" in out
    assert len(out.splitlines()) > 4


def test_a_wrong_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = sluice(capsys, "modles")
    assert code == 2
    assert "There is no command modles." in err
    assert "sluice models" in err


@pytest.mark.parametrize("command", [("models",), ("watch", "m"), ("logs",), ("env",), ("next",), ("redrive",)])
def test_without_region_and_account_it_says_what_to_do(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = sluice(capsys, *command)
    assert code == 1
    assert "sluice up" in err
    assert "Traceback" not in err


def test_down_is_fine_when_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = sluice(capsys, "down")
    assert (code, "no local region runs here" in out) == (0, True)


def test_module_and_console_script_are_the_same_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "sluice", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("sluice, version ")


def test_check_names_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.yaml"
    path.write_text("split: {holdout: 2}\ntargt: x\n")
    code, _, err = sluice(capsys, "check", str(path))
    assert code == 1
    assert "split.holdout" in err
    assert "targt" in err
    path.write_text("target: x\n")
    code, out, _ = sluice(capsys, "check", str(path))
    assert (code, "is right" in out) == (0, True)


def test_init_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = sluice(capsys, "init", "churn")
    assert code == 0
    text = (tmp_path / "model.yaml").read_text()
    assert "models/churn/model.yaml" in text
    assert "{model}" not in text
    code, _, err = sluice(capsys, "init", "churn")
    assert (code, "exists already" in err) == (1, True)
    code, _, err = sluice(capsys, "init", "Not_Allowed")
    assert (code, "Not_Allowed" in err) == (2, True)


def test_the_file_of_init_means_the_defaults() -> None:
    settings = parse_settings(TEMPLATE.read_text().replace("{model}", "churn"))
    ours, default = settings.model_dump(), parse_settings("").model_dump()
    assert ours == default


def keys_of(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    found = []
    for name, item in schema.get("properties", {}).items():
        found.append(name)
        options = [item, *item.get("allOf", []), *item.get("anyOf", [])]
        for option in options:
            if "$ref" in option:
                found += keys_of(definitions[option["$ref"].rsplit("/", 1)[-1]], definitions)
    return found


def test_the_file_of_init_names_every_key() -> None:
    schema = ModelSettings.model_json_schema()
    text = TEMPLATE.read_text()
    missing = [key for key in keys_of(schema, schema["$defs"]) if f"{key}:" not in text]
    assert missing == []
    assert len(keys_of(schema, schema["$defs"])) > 25


def test_the_optional_lines_of_init_are_right_too() -> None:
    """Each commented key, uncommented, is accepted."""
    text = TEMPLATE.read_text().replace("{model}", "churn")
    whole = yaml.safe_load(text)
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# ") and stripped[2:].split(":")[0] in (
            "target",
            "problem",
            "positive_class",
            "id_column",
        ):
            whole |= yaml.safe_load(stripped[2:])
    whole["evaluation"] |= {"metric": "auc", "minimum": 0.75}
    whole["endpoint"] = {"instance": "ml.m5.large", "min": 1}
    parse_settings(yaml.safe_dump(whole))


def test_the_examples_data_is_what_its_script_makes() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        import make_churn  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    text = (ROOT / "examples" / "churn" / "churn.csv").read_text()
    assert text == make_churn.churn_csv()
    assert len(text.splitlines()) == 1 + make_churn.ROWS + len(make_churn.BROKEN)
    assert 0.9 < make_churn.best_auc() < 0.95


def test_the_examples_settings_are_right() -> None:
    settings = parse_settings((ROOT / "examples" / "churn" / "model.yaml").read_text())
    assert (settings.target, settings.retrain.quiet_seconds) == ("churned", 0)


def test_a_table_shows_how_a_message_begins() -> None:
    assert _first_line("3 mistakes: a\nb") == "3 mistakes: a …"
    assert _first_line("x" * 500) == "x" * 119 + "…"
    assert _first_line(None) == ""


def test_a_clock_that_nobody_runs_is_only_reset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = sluice(capsys, "clock", "+3h")
    assert code == 1
    assert "none runs here" in err
    kept = tmp_path / "state" / "clock.json"
    kept.parent.mkdir()
    kept.write_text('{"ahead_seconds": 60}')
    for _ in range(2):
        code, out, _ = sluice(capsys, "clock", "reset")
        assert (code, kept.exists()) == (0, False)
        assert "this machine's time" in out


def test_a_clock_on_its_way_says_where_to(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = regions.RegionInfo("http://127.0.0.1:1", 1, 1, "us-east-1", "0" * 12, "a", "b", "", tmp_path)
    state = {"now": "2026-11-25T13:00:00+00:00", "ahead_seconds": 3600.0, "moving": False, "instants": 4}
    monkeypatch.setattr(regions, "running", lambda _: info)
    monkeypatch.setattr(regions, "get_json", lambda _: state)
    assert "2026-11-25 13:00:00 UTC in the region, 1h ahead of this machine\n" in sluice(capsys, "clock")[1]
    state |= {"moving": True, "target": "2026-11-26T12:00:00+00:00"}
    assert "ahead of this machine, on its way to 2026-11-26 12:00:00 UTC\n" in sluice(capsys, "clock")[1]


@pytest.mark.parametrize(("seconds", "text"), [(0, ""), (5, "5s"), (3600, "1h"), (90_061, "1d 1h 1m 1s")])
def test_how_far_ahead_reads(seconds: int, text: str) -> None:
    assert output.span_text(seconds) == text

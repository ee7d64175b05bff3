"""Options of the trainings: they are the settings of the library, with its defaults, and each says what it means."""

from __future__ import annotations

import argparse
import dataclasses

import pytest
from helpers.training_material import random_pack

from sfpn.__main__ import main
from sfpn.commands.options import add_settings, settings_of
from sfpn.commands.stages import distill, identify, imitate
from sfpn.commands.train import STAGES
from sfpn.training.distill.trainer import DistillConfig
from sfpn.training.identify.trainer import IdentifyConfig
from sfpn.training.imitate.trainer import ImitateConfig
from sfpn.training.settings import setting

NEEDED = {
    "distill": ["pack", "--targets", "t", "--start-from", "s", "--model", "base", "--out", "run"],
    "imitate": ["pack", "--teacher", "t", "--model", "base", "--out", "run"],
    "finetune": ["data", "--start-from", "s", "--out", "run"],
}
STAGE_OF = {
    "distill": (distill, DistillConfig),
    "imitate": (imitate, ImitateConfig),
    "finetune": (identify, IdentifyConfig),
}
OF_THE_MACHINE = {"workers", "start_from"}  # by the number of processors; asked for


def parsed(stage: str, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    STAGE_OF[stage][0].add_arguments(parser, stage)
    return parser.parse_args([*NEEDED[stage], *more])


@pytest.mark.parametrize("stage", STAGE_OF)
def test_command_and_library_have_the_same_defaults(stage):
    config = STAGE_OF[stage][1]
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    found = settings_of(parsed(stage), config)
    assert len(found) > 5
    assert {
        name: value for name, value in found.items() if name not in OF_THE_MACHINE and value != defaults[name]
    } == {}


def test_numbers_in_options_reach_the_settings():
    args = parsed("finetune", "--rates", "0.1", "0.01", "--margin", "0.3", "--no-augment", "--freeze-batch-norm")
    config = identify.config_of(args)
    assert (config.rates, config.margin, config.augment, config.freeze_batch_norm) == ((0.1, 0.01), 0.3, False, True)
    assert imitate.ImitateConfig(
        depthwise=True, **settings_of(parsed("imitate", "--block-images", "0"), ImitateConfig)
    ).steps


@pytest.mark.parametrize("stage", STAGES)
def test_every_option_says_what_it_means(stage, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["train", stage, "--help"])
    assert "options:" in capsys.readouterr().out
    parser = argparse.ArgumentParser()
    from sfpn.commands.train import _module_of

    _module_of(stage).add_arguments(parser, stage)
    assert [action.dest for action in parser._actions if not action.help] == []


@dataclasses.dataclass(frozen=True)
class Knobs:
    hidden: int = 3
    count: int = setting(2, "how many", positive=True)
    share: float | None = setting(None, "how much (0-1)")
    kind: str = setting("plain", "which", choices=("plain", "fancy"))
    sizes: tuple[float, ...] = setting((1.0, 0.5), "in px")
    loud: bool = setting(False, "say more")
    careful: bool = setting(True, "take no care")


def test_options_are_made_from_fields(capsys):
    parser = argparse.ArgumentParser()
    add_settings(parser, Knobs, count=5)
    assert settings_of(parser.parse_args([]), Knobs) == {
        "count": 5,
        "share": None,
        "kind": "plain",
        "sizes": (1.0, 0.5),
        "loud": False,
        "careful": True,
    }
    words = ["--count", "7", "--share", "0.25", "--kind", "fancy", "--sizes", "3", "4", "--loud", "--no-careful"]
    assert settings_of(parser.parse_args(words), Knobs) == {
        "count": 7,
        "share": 0.25,
        "kind": "fancy",
        "sizes": [3.0, 4.0],
        "loud": True,
        "careful": False,
    }
    assert "how many (default: 5)" in parser.format_help() and "in px (default: 1.0 0.5)" in parser.format_help()
    for wrong in (["--count", "0"], ["--kind", "other"], ["--hidden", "4"]):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)


def test_imitate_does_not_run_in_several_processes(tmp_path, monkeypatch, capsys):
    random_pack(tmp_path / "pack")
    monkeypatch.setenv("WORLD_SIZE", "2")
    words = ["imitate", str(tmp_path / "pack"), "--teacher", "depthwise", "--model", "depthwise"]
    assert main(["train", *words, "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert "runs in one process and cannot share its work; start it without a launcher" in message
    assert message.count("\n") == 1 and not (tmp_path / "run").exists()

"""The run loop around a toy: its log, its checkpoints, its endings."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

import pytest
import torch

from sfpn.__main__ import main
from sfpn.errors import UserError
from sfpn.training.log import read_log
from sfpn.training.loop import CHECKPOINT_FILE, Loop, check_finite, drive


@dataclass(frozen=True)
class ToyConfig:
    steps: int = 10


class Toy:
    """Counts; `at` maps steps to what happens in them."""

    def __init__(self, steps: int = 10, at: dict | None = None) -> None:
        self.config, self.step, self.value, self.at = ToyConfig(steps), 0, torch.ones(1), at or {}

    def train_step(self) -> dict[str, float]:
        if self.step in self.at:
            self.at[self.step]()
        self.value = self.value * 1.1 + self.step
        self.step += 1
        return {"loss": float(self.value), "images": 4, "learning_rate": 0.5 if self.step < 6 else 0.25}

    def state(self) -> dict:
        return {"step": self.step, "value": self.value}

    def restore(self, state: dict) -> None:
        self.step, self.value = state["step"], state["value"]


def loop(folder, **changes) -> Loop:
    return Loop(folder, **{"due": lambda step: step % 4 == 0, "validate": lambda: {"eer": 0.5}} | changes)


def lines(folder) -> list[dict]:
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in read_log(folder)]


def raises(error):
    def happen():
        raise error

    return happen


def test_one_line_per_validation_with_means(tmp_path):
    assert drive(Toy(), loop(tmp_path))
    values, value = [], 1.0
    for step in range(10):
        value = value * 1.1 + step
        values.append(value)
    found = lines(tmp_path)
    assert [line["step"] for line in found] == [4, 8, 10]
    assert [line["learning_rate"] for line in found] == [0.5, 0.25, 0.25]
    assert found[0]["loss"] == pytest.approx(sum(values[:4]) / 4, rel=1e-5) and found[2]["eer"] == 0.5
    assert sorted(file.name for file in tmp_path.iterdir()) == [CHECKPOINT_FILE, "log.jsonl"]


@pytest.mark.parametrize("save_every_seconds", [0.0, 1000.0])
def test_a_crash_anywhere_leaves_the_same_log(tmp_path, save_every_seconds):
    drive(Toy(), loop(tmp_path / "straight"))
    for crash in (3, 4, 6, 9):
        folder = tmp_path / str(crash)
        with pytest.raises(ZeroDivisionError):
            drive(Toy(at={crash: raises(ZeroDivisionError())}), loop(folder, save_every_seconds=save_every_seconds))
        assert drive(Toy(), loop(folder))
        assert lines(folder) == lines(tmp_path / "straight")


def test_lines_of_steps_that_are_done_again_are_dropped(tmp_path):
    drive(Toy(steps=5), loop(tmp_path))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 8, "loss": 1}\n{"step": 12, "lo')
    drive(Toy(), loop(tmp_path))
    assert [line["step"] for line in lines(tmp_path)] == [4, 5, 8, 10]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_step_and_the_run_goes_on(tmp_path, number):
    before = signal.getsignal(number)
    twice = lambda: [signal.raise_signal(number) for _ in range(2)]  # noqa: E731 (a launcher passes it on)
    assert not drive(Toy(at={6: twice}), loop(tmp_path))
    assert signal.getsignal(number) is before
    assert torch.load(tmp_path / CHECKPOINT_FILE, weights_only=True)["run"]["step"] == 7
    assert drive(Toy(), loop(tmp_path)) and [line["step"] for line in lines(tmp_path)] == [4, 8, 10]


def test_a_second_signal_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr("sfpn.training.signals.ECHO_SECONDS", -1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        drive(Toy(at={6: lambda: [signal.raise_signal(signal.SIGINT) for _ in range(2)]}), loop(tmp_path))
    signal.signal(signal.SIGINT, before)


def test_a_run_that_has_ended_is_not_trained_again(tmp_path):
    assert drive(Toy(), loop(tmp_path, ended=lambda: True)) and [line["step"] for line in lines(tmp_path)] == [4]
    again = Toy()
    assert drive(again, loop(tmp_path)) and again.step == 4


def test_a_loss_that_is_not_finite_is_named(tmp_path):
    run = Toy(at={5: lambda: check_finite({"identity": 1.0, "pose": float("nan"), "arc": float("inf")}, 5, 0.01)})
    with pytest.raises(
        UserError, match=r"step 5, learning rate 0.01: loss pose is nan, arc is inf; .*lower the learning rate"
    ):
        drive(run, loop(tmp_path))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        ),
        MemoryError(),
    ],
)
def test_too_little_memory_says_what_to_turn(tmp_path, error):
    with pytest.raises(UserError, match="out of memory at step 2: raise --accumulate"):
        drive(Toy(at={2: raises(error)}), loop(tmp_path, takes_less_memory="raise --accumulate"))


def test_a_killed_worker_is_one_sentence(tmp_path):
    killed = RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed.")
    with pytest.raises(UserError, match="decodes pictures was killed at step 2; .*lower --workers"):
        drive(Toy(at={2: raises(killed)}), loop(tmp_path))


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"):
        drive(Toy(at={2: raises(RuntimeError("shapes do not fit"))}), loop(tmp_path))


@pytest.mark.parametrize("content", [b"not a checkpoint", None])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / CHECKPOINT_FILE
    path.write_bytes(content) if content else torch.save({"weights": torch.ones(2)}, path)
    with pytest.raises(UserError, match="not a checkpoint of this project"):
        drive(Toy(), loop(tmp_path))


def test_the_plot_holds_every_number_of_every_run(tmp_path, capsys):
    drive(Toy(), loop(tmp_path / "one"))
    drive(Toy(steps=8), loop(tmp_path / "two", validate=lambda: {"eer": 0.4, "data": "words"}))
    out = tmp_path / "plots" / "runs.html"
    assert main(["train", "plot", str(tmp_path / "one"), str(tmp_path / "two"), "--out", str(out)]) == 0
    page = out.read_text()
    assert "<script src=" not in page and len(page) > 1_000_000  # plotly.js is inside
    from sfpn.training.plot import run_figure, series_of

    figure = run_figure({name: series_of(tmp_path / name) for name in ("one", "two")})
    assert [title.text for title in figure.layout.annotations] == ["learning rate", "loss", "eer"]
    assert [(trace.name, list(trace.x)) for trace in figure.data[::3]] == [("one", [4, 8, 10]), ("two", [4, 8])]
    assert json.loads(figure.to_json())["layout"]["yaxis"]["type"] == "log"


@pytest.mark.parametrize("cut", ['{"step": 12, "lo', "12", "{}", '{"step": null}', "[]"])
def test_a_log_whose_last_line_is_cut_is_one_sentence(tmp_path, capsys, cut):
    drive(Toy(), loop(tmp_path))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(cut)
    assert main(["train", "plot", str(tmp_path), "--out", str(tmp_path / "a.html")]) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path / 'log.jsonl'}: line 4 is not a line of a log" in message and message.count("\n") == 1
    drive(Toy(steps=12), loop(tmp_path))  # continuing drops the line
    assert [line["step"] for line in lines(tmp_path)] == [4, 8, 10, 12]


@pytest.mark.parametrize(
    "words, says", [(["nowhere", "--out", "a.html"], "no log"), (["{}", "--out", "a.png"], ".html or .svg")]
)
def test_a_plot_that_cannot_be_is_one_sentence(tmp_path, capsys, words, says):
    drive(Toy(), loop(tmp_path))
    assert main(["train", "plot", *(word.format(tmp_path) for word in words)]) == 2
    message = capsys.readouterr().err
    assert says in message.splitlines()[-1]

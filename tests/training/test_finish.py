"""The end of a run: the files it leaves are whole, measured, and compute what the trained network computed."""

from __future__ import annotations

import argparse

import pytest
import torch
from helpers.evaluation_data import write_dataset

from sfpn.commands.stages.measuring import add_measuring_arguments, measuring_of
from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.network.model import SFPN, SFPNConfig
from sfpn.photos.preprocess import Preprocess
from sfpn.schema import POOLED, POSE_PAIRS, pair_key
from sfpn.training.finish import Measuring, finish_run


def measuring(*words: str) -> Measuring:
    parser = argparse.ArgumentParser()
    add_measuring_arguments(parser)
    return measuring_of(parser.parse_args(words))


def trained_network() -> SFPN:
    """A network whose batch normalisation has seen something."""
    torch.manual_seed(0)
    network = SFPN(SFPNConfig(depthwise=True, batch_norm=True))
    with torch.no_grad():
        network(torch.randn(4, 3, 113, 113) * 50)
    return network


def test_a_finished_run_leaves_measured_weights(tmp_path):
    drawn = str(write_dataset(tmp_path / "drawn"))
    card = Card("small", "Small", {}, Preprocess(), "MIT")
    network = trained_network()
    path = tmp_path / "run" / "small.safetensors"
    returned = finish_run(
        network, card, path, measuring("--mean-from", drawn, "--set-on", drawn, "--measure-on", drawn)
    )
    model, card = checkpoint.load(path)
    faces = torch.randn(2, 3, 113, 113) * 50
    with torch.no_grad():
        torch.testing.assert_close(model(faces), network.eval()(faces), rtol=0.02, atol=0.02)  # half precision
    assert card == returned and len(card.descriptor_mean) == 1000
    assert (
        set(card.histograms) == {POOLED, *map(pair_key, POSE_PAIRS)} == {result["scores_of"] for result in card.results}
    )
    assert all(0 <= result["eer"] <= 1 and result["genuine"] and result["impostor"] for result in card.results)


def test_without_people_to_measure_on_the_card_says_nothing(tmp_path):
    card = finish_run(
        trained_network(), Card("small", "Small", {}, Preprocess(), "MIT"), tmp_path / "small.safetensors", measuring()
    )
    assert card.weights_sha256 and card.descriptor_mean is None and not card.operating_points and not card.results


def test_one_side_of_the_thresholds_is_not_enough(tmp_path):
    drawn = str(write_dataset(tmp_path / "drawn"))
    with pytest.raises(UserError, match="go together"):
        measuring("--set-on", drawn)
    with pytest.raises(UserError, match="not a dataset folder"):
        measuring("--mean-from", str(tmp_path))

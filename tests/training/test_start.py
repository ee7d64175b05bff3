"""Where a run starts: batch normalisation inserted and folded away, torchvision's SqueezeNet mapped, no download."""

from __future__ import annotations

import pytest
import torch
from helpers.small_models import save_random_model
from torch.nn import functional as F

from sfpn.errors import UserError
from sfpn.network import checkpoint
from sfpn.network.model import SFPN, SFPNConfig, fold_batch_norm
from sfpn.photos.preprocess import Preprocess
from sfpn.photos.torchvision_ops import ensure_torchvision
from sfpn.training.identify import initial
from sfpn.training.identify.initial import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    from_torchvision,
    initial_network,
    with_batch_norm,
)

TRAINED = SFPNConfig(batch_norm=True)


def faces(count: int = 4) -> torch.Tensor:
    torch.manual_seed(1)
    return F.interpolate(torch.rand(count, 3, 8, 8) * 255 - 120, size=113, mode="bilinear")


def descriptors(network: SFPN, inputs: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(inputs)


@pytest.mark.parametrize("depthwise", [False, True])
def test_inserted_batch_norm_changes_nothing(depthwise):
    torch.manual_seed(0)
    folded, config = SFPN(SFPNConfig(depthwise)).eval(), SFPNConfig(depthwise, batch_norm=True, dropout=0.0)
    network = with_batch_norm(folded, config, faces(6))
    wanted = descriptors(folded, faces(2))
    torch.testing.assert_close(descriptors(network.eval(), faces(2)), wanted, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(descriptors(fold_batch_norm(network), faces(2)), wanted, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(
        descriptors(network.train(), faces(6)), descriptors(folded, faces(6)), rtol=0.02, atol=2e-4
    )


def torchvision_squeezenet():
    ensure_torchvision()
    from torchvision.models import squeezenet1_1

    torch.manual_seed(2)
    return squeezenet1_1(weights=None).eval()


def test_every_layer_of_squeezenet_is_taken_over():
    theirs = torchvision_squeezenet()
    ours = from_torchvision(theirs.state_dict(), TRAINED)
    state = theirs.state_dict()
    assert sum(value.numel() for value in ours.state_dict().values()) == sum(value.numel() for value in state.values())
    for number, place in enumerate((3, 4, 6, 7, 9, 10, 11, 12), start=2):
        fire = getattr(ours.layers, f"fire{number}")
        torch.testing.assert_close(fire.squeeze1x1.conv.weight, state[f"features.{place}.squeeze.weight"])
        torch.testing.assert_close(fire.expand3x3.conv.bias, state[f"features.{place}.expand3x3.bias"])
    torch.testing.assert_close(ours.layers.conv10.conv.weight, state["classifier.1.weight"])
    blob = torch.randn(1, 64, 20, 20)
    with torch.no_grad():
        torch.testing.assert_close(ours.layers.fire2(blob), theirs.features[3](blob))


def test_conv1_sees_what_torchvision_shows_it():
    theirs = torchvision_squeezenet()
    ours = from_torchvision(theirs.state_dict(), TRAINED)
    pixels = torch.rand(1, 3, 33, 33)
    shown = (pixels - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    with torch.no_grad():
        wanted = theirs.features[1](theirs.features[0](shown))  # stride 2, no padding
        found = ours.layers.conv1(pixels * 255 - torch.tensor(Preprocess().mean).view(1, 3, 1, 1))[:, :, 1:-1:2, 1:-1:2]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_depthwise_variant_keeps_random_expands():
    state = torchvision_squeezenet().state_dict()
    torch.manual_seed(7)
    ours = from_torchvision(state, SFPNConfig(depthwise=True, batch_norm=True))
    torch.manual_seed(7)
    untouched = SFPN(SFPNConfig(depthwise=True))
    torch.testing.assert_close(ours.layers.fire5.expand1x1.conv.weight, state["features.7.expand1x1.weight"])
    for number in range(2, 10):
        expand, drawn = (getattr(network.layers, f"fire{number}").expand3x3.conv for network in (ours, untouched))
        assert torch.equal(expand.weight, drawn.weight) and len(expand.weight.unique()) > 100  # as drawn at random


def test_a_start_from_imagenet_and_its_impossible_download(monkeypatch):
    state = torchvision_squeezenet().state_dict()
    monkeypatch.setattr(initial, "_downloaded", lambda: state)
    network = initial_network("imagenet", TRAINED, faces)
    assert network.config.batch_norm
    wanted = descriptors(from_torchvision(state, TRAINED).eval(), faces(2))
    torch.testing.assert_close(descriptors(network.eval(), faces(2)), wanted, rtol=1e-3, atol=1e-4)


def test_no_network_is_one_sentence(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    ensure_torchvision()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(
        UserError, match="could not be downloaded .no route to host.; connect to a network, or use --start-from random"
    ):
        initial_network("imagenet", TRAINED, faces)


def test_a_start_from_weights_computes_the_same(tmp_path):
    save_random_model(tmp_path / "small.safetensors", depthwise=True)
    source, _ = checkpoint.load(tmp_path / "small.safetensors")
    for start, config in (("small.safetensors", TRAINED), ("", SFPNConfig(depthwise=True, batch_norm=True))):
        network = initial_network(str(tmp_path / start), config, faces)
        assert network.config == config
        torch.testing.assert_close(
            descriptors(network.eval(), faces(2)), descriptors(source, faces(2)), rtol=1e-3, atol=1e-4
        )


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(UserError, match="neither a run nor a folder with one weights file"):
        initial_network(str(tmp_path), TRAINED, faces)

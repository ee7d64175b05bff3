"""The network's shapes and size are the paper's; folding batch normalisation changes no descriptor."""

import pytest
import torch

from sfpn.network.model import SFPN, SFPNConfig, count_parameters, fold_batch_norm

TABLE = {  # layer -> (C, H, W), typed from the paper's table
    "conv1": (64, 113, 113),
    "pool1": (64, 56, 56),
    "fire2": (128, 56, 56),
    "fire3": (128, 56, 56),
    "fire4": (256, 56, 56),
    "pool4": (256, 27, 27),
    "fire5": (256, 27, 27),
    "fire6": (384, 27, 27),
    "fire7": (384, 27, 27),
    "fire8": (512, 27, 27),
    "pool8": (512, 13, 13),
    "fire9": (512, 13, 13),
    "conv10": (1000, 13, 13),
}


def fire_parameters(inputs: int, squeeze: int, expand: int, depthwise: bool) -> int:
    """Counted by hand: squeeze 1x1, expand 1x1, expand 3x3, biases included."""
    per_filter = 9 if depthwise else 9 * squeeze
    return (inputs + 1) * squeeze + (squeeze + 1) * expand + (per_filter + 1) * expand


@pytest.mark.parametrize("depthwise", [False, True])
def test_every_map_has_the_size_of_the_papers_table(depthwise):
    model = SFPN(SFPNConfig(depthwise=depthwise)).eval()
    maps = model.maps(torch.zeros(2, 3, 113, 113), tuple(TABLE))
    assert {name: tuple(values.shape[1:]) for name, values in maps.items()} == TABLE
    assert model(torch.zeros(2, 3, 113, 113)).shape == (2, 1000)


@pytest.mark.parametrize("depthwise, total", [(False, 1_235_496), (True, 694_056)])
def test_parameter_count(depthwise, total):
    fires = [
        (64, 16, 64),
        (128, 16, 64),
        (128, 32, 128),
        (256, 32, 128),
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
        (512, 64, 256),
    ]
    by_hand = 64 * (27 + 1) + 1000 * (512 + 1) + sum(fire_parameters(*fire, depthwise) for fire in fires)
    assert count_parameters(SFPN(SFPNConfig(depthwise=depthwise))) == by_hand == total


@pytest.mark.parametrize("depthwise", [False, True])
def test_folding_keeps_the_descriptors(depthwise):
    torch.manual_seed(0)
    model = SFPN(SFPNConfig(depthwise=depthwise, batch_norm=True))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_()
    faces = torch.randn(2, 3, 113, 113)
    folded = fold_batch_norm(model.eval())
    assert not folded.config.batch_norm
    with torch.inference_mode():
        wanted, found = model(faces), folded(faces)
    assert wanted.std() > 0.01
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_batch_gives_what_its_faces_give_alone():
    torch.manual_seed(1)
    model, faces = SFPN().eval(), torch.randn(3, 3, 113, 113) * 50
    with torch.inference_mode():
        torch.testing.assert_close(model(faces), torch.cat([model(face[None]) for face in faces]), rtol=1e-4, atol=1e-4)


def test_dropout_acts_in_training_only():
    torch.manual_seed(2)
    model, faces = SFPN(), torch.randn(1, 3, 113, 113) * 50
    assert not torch.equal(model(faces), model(faces))
    model.eval()
    assert torch.equal(model(faces), model(faces))

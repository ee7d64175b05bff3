"""Cards from strangers: whatever a card holds, it loads as what it says or is refused in one sentence."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path

import pytest
from helpers.small_models import random_card
from hypothesis import given, settings
from hypothesis import strategies as st

from sfpn.errors import UserError
from sfpn.network.card import Card, load_card, save_card
from sfpn.schema import POSE_PAIRS
from sfpn.verification.decision import known_targets, rule_at_threshold, rule_for_fmr

RECORD = json.loads(json.dumps(random_card(descriptor_mean=(0.5, 1.0), pose_direction=(0.6, 0.8)).to_json()))
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just({"x": 1}),
    st.lists(st.floats(), max_size=4),
)


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The paths of everything in a record, the record itself left out; of long lists, the first and the last."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, held in items:
        if not isinstance(value, list) or key in (0, len(value) - 1):
            found += [(*path, key), *places(held, (*path, key))]
    return found


PLACES = places(RECORD)


def mutate(data: st.DataObject) -> dict:
    """A card with one to three things replaced, left out, doubled or called otherwise."""
    record = copy.deepcopy(RECORD)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(PLACES))
        holder = record
        try:
            for key in path:
                holder = holder[key]
            held = holder[last]
            change = data.draw(st.sampled_from(["replace", "remove", "rename", "text", "longer"]))
            if change == "replace":
                holder[last] = data.draw(JUNK)
            elif change == "remove":
                del holder[last]
            elif change == "rename" and isinstance(holder, dict):
                holder[f"{last}x"] = holder.pop(last)
            elif change == "text":
                holder[last] = str(held)
            elif change == "longer" and isinstance(held, list):
                held.append(copy.deepcopy(held[0]))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return record


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_mutated_cards_can_be_used_or_are_refused_in_one_sentence(data):
    record = mutate(data)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "m.safetensors"
        weights.with_suffix(".json").write_text(json.dumps(record))
        try:
            card = load_card(weights)
        except UserError as error:
            assert "\n" not in str(error) and "m.json: not a valid card (" in str(error)
            return
    json.dumps(card.to_json(), allow_nan=False)
    assert Card.from_json(json.loads(json.dumps(card.to_json()))) == card
    for pair in POSE_PAIRS:  # what the verifier asks of a card
        try:
            for target in known_targets(card, pair):
                assert rule_for_fmr(card, pair, target).decide(0.5) in ("match", "uncertain", "no match")
            rule_at_threshold(card, pair, 0.3)
        except UserError as error:
            assert "\n" not in str(error)


def changed(**changes) -> dict:
    return RECORD | changes


POINT = RECORD["operating_points"]["pooled"][0]
HISTOGRAM = RECORD["histograms"]["pooled"]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({name: value for name, value in RECORD.items() if name != "preprocess"}, "preprocess is missing"),
        (changed(preprocess=RECORD["preprocess"] | {"size": -3}), "preprocess"),
        (changed(preprocess=RECORD["preprocess"] | {"size": 10**9}), "size must be 1 to 1024 pixels"),
        (changed(preprocess=RECORD["preprocess"] | {"scale": float("nan")}), "not JSON compliant"),
        (changed(preprocess=RECORD["preprocess"] | {"scale": -1.0}), "must be above zero"),
        (changed(preprocess=RECORD["preprocess"] | {"mean": [1, 2]}), "preprocess.mean"),
        (changed(preprocess=RECORD["preprocess"] | {"channels": "GRB"}), "preprocess"),
        (
            changed(operating_points={"pooled": [POINT | {"threshold": "0.3"}]}),
            "pooled.0.threshold: should be a valid nu",
        ),
        (changed(operating_points={"pooled": [POINT | {"fmr": 1.5}]}), "pooled.0: fmr must be a rate of 0 to 1"),
        (changed(operating_points={"pooled": [POINT | {"impostor": 0}]}), "impostor above zero"),
        (changed(operating_points={"sideways": [POINT]}), "unknown pose pair 'sideways'"),
        (changed(histograms={"pooled": HISTOGRAM | {"genuine": [1, 2]}}), "as many bins, not 2 and 20"),
        (changed(histograms={"pooled": HISTOGRAM | {"high": -1.0}}), "low must be below high"),
        (changed(histograms={"pooled": HISTOGRAM | {"impostor": [-1] * 20}}), "histograms.pooled.impostor.0"),
        (changed(descriptor_mean=["a"]), "descriptor_mean.0"),
        (changed(architecture={"descriptor_size": 0}), "descriptor_size must be a whole number"),
        (changed(name="a\nb"), "name"),
    ],
)
def test_the_sentence_names_the_field(tmp_path, record, words):
    weights = tmp_path / "m.safetensors"
    weights.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="not a valid card") as refused:
        load_card(weights)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b'{"name": 1e999}', b'{"a":' * 5000, b"1" * 5000])
def test_files_that_are_no_json_are_refused(tmp_path, content):
    weights = tmp_path / "m.safetensors"
    weights.with_suffix(".json").write_bytes(content)
    with pytest.raises(UserError, match="not a valid card"):
        load_card(weights)


def test_a_missing_card_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(UserError, match=r"its card m.json is missing .* python -m sfpn make-card .*m.onnx$"):
        load_card(tmp_path / "m.onnx")


def test_a_card_never_holds_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_card(random_card(training={"loss": float("nan")}), tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


TEMPLATES = {
    "sides": [{"frontal": 1}, {"frontal": 1, "profile": 2}],
    "genuine": 30,
    "impostor": 900,
    "target_fmr": [0.01, 0.001],
    "false_matches": [9, 1],
    "false_non_matches": [3, 12],
    "measured_on": "drawn",
}


def test_rates_of_templates_come_back_as_they_were(tmp_path):
    card = Card.from_json(RECORD | {"templates": [TEMPLATES]})
    save_card(card, tmp_path / "a.safetensors")
    assert load_card(tmp_path / "a.safetensors") == card and card.to_json()["templates"] is not None
    assert card.templates[0].rejected(0.001) == 12 and card.templates[0].rejected(0.5) is None
    assert "templates" not in Card.from_json(RECORD).to_json()


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"sides": [{"frontal": 1}]}, "sides"),
        ({"sides": [{"frontal": 1}, {}]}, "sides must be photos by pose"),
        ({"sides": [{"frontal": 1}, {"upside": 1}]}, "sides must be photos by pose"),
        ({"sides": [{"frontal": 0}, {"frontal": 1}]}, "sides"),
        ({"genuine": 0}, "genuine"),
        ({"target_fmr": [0.01]}, "of one length"),
        ({"false_non_matches": [3, 31]}, "at most genuine"),
        ({"false_matches": [901, 1]}, "at most impostor"),
        ({"more": 1}, "more"),
    ],
)
def test_rates_of_templates_that_contradict_themselves_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        Card.from_json(RECORD | {"templates": [TEMPLATES | wrong]})

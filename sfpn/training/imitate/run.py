"""An imitation run, from a pack of crops and a teacher to weights with a card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sfpn.data.selection import Selection
from sfpn.network import checkpoint
from sfpn.network.card import Card
from sfpn.training.distill.targets import TeacherFile
from sfpn.training.finish import LIMITS, Measuring, Outcome, finish_run, variant
from sfpn.training.imitate.trainer import ImitateConfig, Imitator
from sfpn.training.loop import Loop, drive
from sfpn.training.pack import load_pack
from sfpn.training.processes import refuse_several
from sfpn.training.validate import validation


def train(
    config: ImitateConfig,
    pack_folder: Path,
    teacher: str | Path,
    others: list[TeacherFile],
    folder: Path,
    people: Selection | None,
    measuring: Measuring,
) -> Outcome:
    """Train to the end, or until stopped, in a run's folder; at the end write weights and card. Raises UserError.

    others: embeddings of the pack's rows by further teachers. people: whom the log's EER is of, None for no EER.
    """
    refuse_several("imitate")
    pack = load_pack(pack_folder)
    teacher_network, teacher_card = checkpoint.load(teacher)
    named = [other.unit(pack.row_ids) for other in others]
    imitator = Imitator(config, pack, teacher_network, [values for _, values in named], teacher_card.preprocess)
    validate = validation(people, teacher_card.preprocess)
    if not drive(imitator, Loop(folder, config.due, lambda: validate(imitator.student))):
        return Outcome(imitator.step, None)
    card = run_card(imitator, teacher_card, [name for name, _ in named])
    weights = folder / f"{card.name}.safetensors"
    finish_run(imitator.student, card, weights, measuring)
    return Outcome(imitator.step, weights)


def run_card(imitator: Imitator, teacher: Card, others: list[str]) -> Card:
    """What is known about the weights before they are measured."""
    name, kind = variant(imitator.config.depthwise)
    pack = imitator.batches.pack
    return Card(
        name=name,
        title=f"SqueezeFacePoseNet, {kind}, distilled from scratch",
        architecture={},
        preprocess=teacher.preprocess,
        licence="non-commercial research" if others else teacher.licence,
        limits=LIMITS,
        training={
            "from": "random initialisation",
            "teacher": teacher.title,
            "embedding_targets": others,
            "datasets": list(pack.datasets),
            "images": len(pack),
            "identities": int(pack.identities.max()) + 1,
            "config": asdict(imitator.config),
        },
    )

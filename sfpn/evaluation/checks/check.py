"""Everything that may be wrong with a dataset, ranked: what `python -m data_tools check` prints and Explore shows.

>>> from sfpn.data.dataset import FaceDataset
>>> from sfpn.data.embeddings import Embeddings
>>> people = FaceDataset.open("demo/assets/synthetic")
>>> known = Embeddings.load(people.folder / "embeddings" / "base.parquet")
>>> findings = check(people, known.of(people.rows()["row_id"][:90]))
>>> {finding.kind for finding in findings} <= {"label", "pose", "quality"}
True
"""

from __future__ import annotations

from functools import partial

import numpy as np

from sfpn.data.dataset import FaceDataset
from sfpn.data.embeddings import Embeddings
from sfpn.errors import UserError
from sfpn.evaluation.checks.copies import find_copy_findings
from sfpn.evaluation.checks.duplicates import find_copies, twins_of
from sfpn.evaluation.checks.finding import Finding, ranked
from sfpn.evaluation.checks.labels import find_labels
from sfpn.evaluation.checks.look import Looked
from sfpn.evaluation.checks.nearest import nearness
from sfpn.evaluation.checks.norm import PosePairNorm
from sfpn.evaluation.checks.pictures import picture_facts
from sfpn.evaluation.checks.quality import find_quality
from sfpn.evaluation.checks.same_person import find_same_person, same_person_findings
from sfpn.evaluation.checks.single import find_single
from sfpn.evaluation.checks.turned import find_turned
from sfpn.evaluation.checks.which_face import find_which_face
from sfpn.evaluation.comparisons import Samples
from sfpn.network.embedders import Embedder
from sfpn.photos.finding import DetectsFaces
from sfpn.progress import Progress, StageProgress

UNKNOWN_POSE = "unknown"


def check(
    dataset: FaceDataset,
    embeddings: Embeddings,
    progress: StageProgress | None = None,
    *,
    embedder: Embedder | None = None,
    detector: DetectsFaces | None = None,
) -> list[Finding]:
    """Doubts about the rows that `embeddings` name, by kind and then the most doubtful first.

    With `embedder` (the one that made them) and `detector`, photos in doubt are looked at again for other faces;
    without them there are no findings of the kind `which_face`. Raises UserError for damaged files, and what
    `progress` raises.
    """
    looked = look(dataset, embeddings, progress)
    same = find_same_person(looked)
    pairs = {(pair.first, pair.second) for pair in same} | {(pair.second, pair.first) for pair in same}
    again: list[Finding] = []
    if embedder and detector:
        again = list(find_which_face(looked, dataset, embedder, detector, _step(progress, "second look")))
    told = {finding.row_ids[0] for finding in again if finding.score > 0}
    labels = [finding for finding in find_labels(looked, pairs) if finding.row_ids[0] not in told]
    others = [find_copy_findings(looked), find_quality(looked), find_turned(looked), find_single(looked)]
    findings = [*labels, *same_person_findings(looked, same), *again, *(found for each in others for found in each)]
    return ranked(findings)


def look(dataset: FaceDataset, embeddings: Embeddings, progress: StageProgress | None = None) -> Looked:
    """Read the rows and pictures that `embeddings` name and compare all with all. Raises UserError as `check` does."""
    rows = dataset.rows().set_index("row_id", drop=False)
    known = [row_id for row_id in embeddings.row_ids if row_id in rows.index]
    if len(known) < len(embeddings.row_ids) or not known:
        raise UserError(f"the embeddings are not those of rows of {dataset.folder}: make them again")
    if rows.loc[known, "identity"].isna().any():
        raise UserError(f"the dataset {dataset.folder} has a row without an identity: build it again")
    rows = rows.loc[known]
    poses = rows["pose"].where(rows["pose"].notna(), UNKNOWN_POSE)
    try:
        samples = Samples.build(
            rows["row_id"], rows["identity"], poses, embeddings.values, rows["yaw_degrees"], embeddings.acquired
        )
    except ValueError as error:
        raise UserError(f"the embeddings of {dataset.folder} cannot be compared: {error}; make them again") from error
    rows = rows.loc[samples.row_ids]
    facts = picture_facts(dataset, rows["row_id"].tolist(), _step(progress, "pictures"))
    copies = find_copies(facts, _step(progress, "copies"))
    twins = twins_of(copies, len(samples))
    norm = PosePairNorm.of(samples)
    near = nearness(samples, norm, twins, _step(progress, "people"))
    names = np.unique(rows["identity"].to_numpy(str))
    return Looked(rows, samples, names, facts, copies, twins, norm, near)


def _step(progress: StageProgress | None, name: str) -> Progress | None:
    return partial(progress, name) if progress else None

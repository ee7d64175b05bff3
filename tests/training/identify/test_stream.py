"""The stream shows every row once per pass, from anywhere, to any number of processes and workers; 2 % validate."""

from __future__ import annotations

import io
from collections import Counter
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers.evaluation_data import write_dataset
from PIL import Image

from sfpn.data.dataset import Picture
from sfpn.data.selection import Selection
from sfpn.errors import UserError
from sfpn.photos.detector import make_face
from sfpn.training.identify.order import Order, balanced_draws
from sfpn.training.identify.rows import Rows, read_training_set
from sfpn.training.identify.stream import Share, TrainingStream, ValidationStream, batches, training_square


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data") / "drawn", shards=5)


def training_set(drawn, share=0.2, **options):
    return read_training_set([Selection.open(str(drawn))], share, **options)


def big_rows(files: int = 40, per_file: int = 100, identities: int = 30) -> Rows:
    """An index without files behind it."""
    count = files * per_file
    file, position = np.divmod(np.arange(count, dtype=np.int32), per_file)
    label = (np.arange(count) * identities // count).astype(np.int32)
    return Rows((), file, position, label, (np.arange(count) % 7 == 0).astype(np.int8) * 2, identities)


def stream_of(rows: Rows, start: int, count: int, **options) -> np.ndarray:
    """The first `count` rows of the order from position `start` on."""
    found = []
    for position, buffer in Order(rows, 1, 700, **options).buffers(start):
        found += buffer[max(0, start - position) :].tolist()
        if len(found) >= count:
            return np.array(found[:count])


def test_every_pass_shows_every_row_once_and_mixes_files():
    rows = big_rows()
    seen = stream_of(rows, 0, 2 * len(rows))
    first, second = seen[: len(rows)], seen[len(rows) :]
    assert sorted(first) == sorted(second) == list(range(len(rows))) and not np.array_equal(first, second)
    assert len(set(rows.file[first[:100]])) >= 6  # the buffer holds seven files


@pytest.mark.parametrize("start", [1, 699, 700, 4000, 5123])
def test_a_stream_can_start_anywhere(start):
    rows = big_rows()
    np.testing.assert_array_equal(stream_of(rows, start, 900), stream_of(rows, 0, start + 900)[start:])


def test_balanced_draws_even_out_identities_and_poses_and_pair_poses():
    label = np.repeat([3, 5, 9], [100, 10, 4])
    pose = np.concatenate([np.zeros(90), np.full(10, 2), np.zeros(9), [1], np.full(4, -1)]).astype(np.int8)
    drawn = balanced_draws(label, pose, 6000, np.random.default_rng(0))
    counts = Counter(zip(label[drawn].tolist(), pose[drawn].tolist(), strict=True))
    for cell, wanted in {(3, 0): 1000, (3, 2): 1000, (5, 0): 1000, (5, 1): 1000, (9, -1): 2000}.items():
        assert counts[cell] == pytest.approx(wanted, rel=0.1)
    one, other = drawn[::2], drawn[1::2]
    assert (label[one] == label[other]).all()
    assert ((pose[one] != pose[other]) | (label[one] == 9)).all()


def test_processes_and_workers_share_the_same_batches(drawn):
    rows = training_set(drawn).train
    order = Order(rows, 3, buffer_images=30)
    alone = list(islice(batches(TrainingStream(order, 8), 0), 12))
    resumed = list(islice(batches(TrainingStream(order, 8, first_step=5), 0), 7))
    by_workers = list(islice(batches(TrainingStream(order, 8), 2), 12))
    halves = [list(islice(batches(TrainingStream(order, 8, Share(index, 2)), 0), 12)) for index in (0, 1)]
    for step in range(12):
        faces, labels, _ = alone[step]
        assert faces.shape == (8, 3, 113, 113) and faces.dtype == torch.uint8
        for others in ([by_workers[step]], [half[step] for half in halves], [resumed[step - 5]] if step >= 5 else []):
            if others:
                assert torch.equal(torch.cat([batch.labels for batch in others]), labels)
                assert torch.equal(torch.cat([batch.faces for batch in others]), faces)
    counts = np.bincount(torch.cat([batch.labels for batch in alone]).numpy())
    assert 1.5 * np.bincount(rows.label).max() < counts.max()  # 96 images of about 55: some identities twice through


def test_validation_shows_each_row_once(drawn):
    rows = training_set(drawn, 0.3).validation
    for share_count, workers in ((1, 0), (2, 1)):
        labels = [
            batch.labels
            for index in range(share_count)
            for batch in batches(ValidationStream(rows, 4, Share(index, share_count)), workers)
        ]
        assert sorted(torch.cat(labels).tolist()) == sorted(rows.label.tolist())


def test_two_percent_of_each_identity_validates_whatever_the_order(drawn, tmp_path):
    found = training_set(drawn, 0.2)
    wanted = 0.2 * np.bincount(np.concatenate([found.train.label, found.validation.label]))
    assert (np.abs(np.bincount(found.validation.label, minlength=6) - wanted) < 1).all()
    assert found.left_out == {"without a face": 3, "of identities with too few images": 0}
    other = tmp_path / "other"
    write_dataset(other, shards=2)  # the same rows in other files
    again = training_set(other, 0.2)
    assert row_ids(found.validation) == row_ids(again.validation) and row_ids(found.train) == row_ids(again.train)
    assert not row_ids(found.train) & row_ids(found.validation)


def row_ids(rows: Rows) -> set[tuple[str, int]]:
    """(row_id, label) of every row."""
    tables = [pq.read_table(file, columns=["row_id"])["row_id"].to_pylist() for file in rows.files]
    return {(tables[f][p], int(label)) for f, p, label in zip(rows.file, rows.position, rows.label, strict=True)}


def test_identities_with_few_images_are_left_out(drawn):
    rows = training_set(drawn, min_images=12)
    assert rows.train.identities == 4 and rows.left_out["of identities with too few images"] == 21
    assert sorted(np.unique(rows.train.label)) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="--min-images 100"):
        training_set(drawn, min_images=100)
    with pytest.raises(UserError, match="no rows of split 'nosuch'"):
        read_training_set([Selection.open(f"{drawn}:nosuch")], 0.1)
    with pytest.raises(UserError, match="raise --validation"):
        training_set(drawn, share=0.0)


def test_a_split_that_is_not_there_is_named_beside_one_that_is(tmp_path):
    folder = write_dataset(tmp_path / "split", shards=2)
    for file, split in zip(sorted(folder.glob("data-*.parquet")), ("train", "other"), strict=True):
        table = pq.read_table(file)
        column = pa.array([split] * len(table), table.schema.field("split").type)
        pq.write_table(
            table.set_column(table.schema.get_field_index("split"), table.schema.field("split"), column), file
        )
    one, both = (read_training_set([Selection.open(f"{folder}:{name}")], 0.1) for name in ("train", "train+other"))
    assert 0 < len(one.train) < len(both.train)
    with pytest.raises(UserError, match="no rows of split 'nosuch'"):
        read_training_set([Selection.open(f"{folder}:train+nosuch")], 0.1)


def test_a_damaged_picture_is_named(drawn, tmp_path):
    other = write_dataset(tmp_path / "other", shards=1)
    table = pq.read_table(other / "data-00000.parquet")
    pictures = [row | {"bytes": b"no picture"} for row in table["image"].to_pylist()]
    column = table.schema.get_field_index("image")
    pq.write_table(table.set_column(column, table.schema.field(column), [pictures]), other / "data-00000.parquet")
    order = Order(training_set(other).train, 0)
    with pytest.raises(UserError, match="the picture of row .* cannot be read"):
        next(batches(TrainingStream(order, 4), 0))


def test_an_aligned_crop_is_cut_as_if_its_face_had_been_found():
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8)).resize(
        (400, 400), Image.Resampling.BICUBIC
    )
    shorter_side = 80.0
    face = make_face(np.array([160, 150, 160 + shorter_side, 250], np.float32), np.zeros((5, 2), np.float32), 1.0)
    middle_x, middle_y = 200.0, 200 - 0.11 * shorter_side
    aligned = photo.resize(
        (112, 112), Image.Resampling.BICUBIC, box=(middle_x - 56, middle_y - 56, middle_x + 56, middle_y + 56)
    )
    wanted, found = (training_square(Picture("a", png(image), box)) for image, box in ((photo, face), (aligned, None)))
    inside = np.s_[8:110, 10:-10]  # what the aligned crop holds
    assert np.abs(wanted[inside].astype(int) - found[inside]).mean() < 3


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()

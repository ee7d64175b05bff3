"""Dataset -> embeddings keyed by row_id: batched, cached by weights and dataset, shardable over processes.

A face that was not found is embedded from the whole image and marked `acquired = False`. Batches are the same however
many processes share the work, so the numbers are too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from sfpn.data.dataset import FaceDataset, Picture
from sfpn.data.embeddings import Embeddings
from sfpn.data.shard import Shard
from sfpn.machine import processors
from sfpn.network.embedders import Embedder
from sfpn.progress import Progress

BATCH = 64
CROPPING_THREADS = 2  # at most: the network needs the other processors
CACHE_FOLDER = "embeddings"  # inside the dataset folder


def embed_dataset(
    dataset: FaceDataset,
    embedder: Embedder,
    row_ids: Sequence[str] | None = None,
    cache: Path | None = None,
    shard: Shard | None = None,
    progress: Progress | None = None,
) -> Embeddings:
    """Embeddings of the given rows (None: all) in the given order; only rows that `cache` lacks are computed."""
    shard, made_by = shard or Shard(), provenance(dataset, embedder)
    wanted = dataset.rows()["row_id"].tolist() if row_ids is None else list(row_ids)
    known = _cached(cache, made_by)
    missing = set(wanted).difference(known.row_ids if known else ())
    if missing or known is None:
        parts = shard.gather(list(_embed_rows(dataset, embedder, missing, shard, progress)))
        known = _joined(parts, known, made_by)
        if cache and shard.index == 0:
            known.save(cache)
    return known.of(wanted)


def provenance(dataset: FaceDataset, embedder: Embedder) -> dict[str, str]:
    """What embeddings depend on: the dataset, the weights, and what the card does before and after them."""
    card = embedder.card
    mean = None if card.descriptor_mean is None else list(card.descriptor_mean)
    files = dataset.card.get("files_sha256", dataset.fingerprint)  # boxes decide the crops, and are in the files
    recipe = [files, card.weights_sha256, card.preprocess.to_json(), card.mirror_sum, mean, embedder.precision]
    recipe += [] if card.pose_direction is None else [list(card.pose_direction)]
    return {
        "model": embedder.name,
        "weights_sha256": card.weights_sha256,
        "precision": embedder.precision,
        "recipe_sha256": hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest(),
        "dataset_fingerprint": dataset.fingerprint,
    }


def cache_file(dataset: FaceDataset, embedder: Embedder, folder: Path | None = None) -> Path:
    """Where the embeddings of these weights, used as their card says, on this dataset are kept."""
    made_by = provenance(dataset, embedder)
    name = f"{made_by['recipe_sha256'][:16]}-{made_by['dataset_fingerprint'][:16]}.parquet"
    return (folder or dataset.folder / CACHE_FOLDER) / name


def _cached(cache: Path | None, made_by: dict[str, str]) -> Embeddings | None:
    if cache is None or not cache.is_file():
        return None
    known = Embeddings.load(cache)
    return known if known.made_by.get("recipe_sha256") == made_by["recipe_sha256"] else None


def _embed_rows(
    dataset: FaceDataset, embedder: Embedder, missing: set[str], shard: Shard, progress: Progress | None
) -> Iterator[Embeddings]:
    """One part per batch of this shard; the next batch is decoded while the network works."""
    batches = _batches(dataset.pictures(missing), shard)
    done = 0
    with ThreadPoolExecutor(processors(CROPPING_THREADS)) as pool:
        coming = _start(pool, embedder, next(batches, []))
        while coming:
            batch, crops = coming
            coming = _start(pool, embedder, next(batches, []))
            values = np.asarray(embedder.embed([crop.result() for crop in crops]), np.float32)
            found = np.array([picture.face is not None for picture in batch])
            yield Embeddings(np.array([picture.row_id for picture in batch], object), values, found)
            done += len(batch)
            if progress:
                progress(min(done * shard.count, len(missing)), len(missing))


def _start(pool: ThreadPoolExecutor, embedder: Embedder, batch: list[Picture]) -> tuple[list, list] | None:
    return (batch, [pool.submit(_crop, embedder, picture) for picture in batch]) if batch else None


def _crop(embedder: Embedder, picture: Picture) -> Image.Image:
    return embedder.preprocess.crop(picture.decode(), picture.face)


def _batches(pictures: Iterator[Picture], shard: Shard) -> Iterator[list[Picture]]:
    number = 0
    while batch := list(islice(pictures, BATCH)):
        if number % shard.count == shard.index:
            yield batch
        number += 1


def _joined(parts: list[Embeddings], known: Embeddings | None, made_by: dict[str, str]) -> Embeddings:
    parts = [*parts, *([known] if known else [])]
    order = np.argsort(np.concatenate([part.row_ids for part in parts]))
    row_ids, values, acquired = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("row_ids", "values", "acquired")
    )
    return Embeddings(row_ids, values, acquired, made_by)


def progress_bar(title: str, shard: Shard) -> Progress | None:
    """A progress bar on stderr, shown by the first process."""
    if shard.index:
        return None
    from tqdm import tqdm

    bar = tqdm(desc=title, unit="image", disable=None)

    def update(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return update

"""Embeddings of a dataset folder, as one Parquet file keyed by row_id.

    python -m sfpn embed DIR --model base --out base.parquet
    python -m sfpn embed DIR:train --model base --out base.parquet
    accelerate launch --multi_gpu --num_processes 2 -m sfpn embed DIR --model base --out base.parquet

A face that was not found is embedded from the whole image and marked `acquired = False`. Batches are the same however
many processes share the work, so the numbers are too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sfpn.commands.options import add_model_arguments
from sfpn.data.embed import cache_file, embed_dataset, progress_bar
from sfpn.data.selection import Selection
from sfpn.data.shard import Shard
from sfpn.network.embedders import load_embedder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `python -m sfpn embed`."""
    parser.add_argument("dataset", metavar="DIR[:SPLIT]", help="dataset folder (python -m data_tools build)")
    parser.add_argument(
        "--model", required=True, metavar="NAME", help="bundled model, weights file, ONNX file or Hub id"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file to write")
    parser.add_argument(
        "--half", action="store_true", help="write numbers of half the size, with about three digits: enough to show"
    )
    add_model_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Embed every row of the selection and write the file; 0 when it is there. Raises UserError."""
    selection, shard = Selection.parse(args.dataset), Shard.of_launch()
    embedder = load_embedder(args.model, bf16=args.bf16, device=args.device)
    cache = cache_file(selection.dataset, embedder, args.cache)
    row_ids = selection.rows()["row_id"].tolist()
    bar = progress_bar(embedder.name, shard)
    found = embed_dataset(selection.dataset, embedder, row_ids, cache, shard, bar)
    if shard.index == 0:
        found.save(args.out, half=args.half)
        whole = int((~found.acquired).sum())
        print(f"{args.out}: {len(row_ids)} embeddings of {embedder.name}, {whole} from the whole image")
    return 0

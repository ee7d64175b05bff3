"""Images a second of `sfpn embed` on a dataset folder with stored boxes: reading, decoding, cropping and the network.

python -m tests.benchmarks.embedding DIR --model base --bf16 --images 1000
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from sfpn.data.dataset import FaceDataset
from sfpn.data.embed import BATCH, embed_dataset
from sfpn.network.embedders import load_embedder


def main() -> None:
    """Embed the first images of a folder after a warm-up batch, without a cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--images", type=int, default=1000)
    args = parser.parse_args()
    dataset, embedder = FaceDataset.open(args.dataset), load_embedder(args.model, bf16=args.bf16)
    chosen = dataset.rows()["row_id"].tolist()[: args.images]
    embed_dataset(dataset, embedder, chosen[:BATCH])
    wall, cpu = time.perf_counter(), time.process_time()
    embed_dataset(dataset, embedder, chosen)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    precision = "bf16" if args.bf16 else "float32"
    print(
        f"{embedder.name}, {precision}, {torch.get_num_threads()} threads: "
        f"{len(chosen)} images in {wall:.1f} s wall, {cpu:.1f} s processor: {len(chosen) / wall:.0f} images/s"
    )


if __name__ == "__main__":
    main()

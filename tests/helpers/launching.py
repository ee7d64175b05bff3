"""How tests start a command: alone, or as two processes under accelerate."""

import sys

ALONE = (sys.executable,)
ACCELERATE = (
    sys.executable,
    "-m",
    "accelerate.commands.launch",
    "--num_processes",
    "2",
    "--num_machines",
    "1",
    "--mixed_precision",
    "no",
    "--dynamo_backend",
    "no",
    "--main_process_port",
    "0",
)
LAUNCHED = (*ACCELERATE, "--multi_gpu")  # without it, and without a GPU, accelerate starts a single process

"""What this process may use of the machine: the processors of its affinity and quota, and a graphics processor."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sfpn.errors import UserError

if TYPE_CHECKING:
    import torch

CONTROL_GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
PACKAGE = "squeezefaceposenet"
PROJECT_FILE = Path(__file__).parents[1] / "pyproject.toml"  # beside a checkout, not beside an installed package
RUNTIMES = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime"}  # name -> package


def processors(most: int, share: int = 1) -> int:
    """Processors that this process may use: from 1 to `most`.

    most: beyond it another worker costs more memory than it saves time. share: processes that divide them.
    """
    quota = cpu_quota()
    usable = affinity() if quota is None else min(affinity(), int(quota))
    return max(1, min(most, usable // share))


def choose_device(asked: str = "auto") -> torch.device:
    """The device to compute on: 'auto' is CUDA, else MPS, else the processor; or one by name, as 'cuda:1' or 'cpu'.

    Of several CUDA devices each process of a launch takes its own, and convolutions there use all bits of float32 from
    now on: shortened to TF32, PyTorch's default, they move a face's box by up to 4 % of its size (docs/small.md).
    Raises UserError for a name that is no such device and for a device that is not there.
    """
    import torch  # here, because counting processors needs no torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        asked = "cuda" if cuda else "mps" if mps else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UserError(f"device {asked!r:.60}: not known; give auto, cpu, cuda, cuda:0 ... or mps") from error
    count = torch.cuda.device_count() if cuda else 0
    if device.type == "cuda" and device.index is None and count:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % count)
    there = {"cpu": True, "mps": mps, "cuda": (device.index or 0) < count}
    if device.type not in there:
        raise UserError(f"device {asked!r:.60}: not known; give auto, cpu, cuda, cuda:0 ... or mps")
    if not there[device.type]:
        raise UserError(f"device {asked}: this machine, or this build of PyTorch, has none; give auto or cpu")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return device


def backend_words(device: torch.device | str = "auto", precision: str = "float32", runtime: str | None = None) -> str:
    """One line: this package, what computes embeddings, where, in which numbers, with what of the processor.

    device: as an embedder has it, or as `choose_device` takes it. runtime: one of RUNTIMES; None for the one that
    computes a bundled network there.
    """
    import torch

    if isinstance(device, str):
        device = choose_device(device)
    if runtime is None:
        fast = device.type == "cpu" and precision == "float32" and importlib.util.find_spec("onnxruntime")
        runtime = "ONNX Runtime" if fast else "PyTorch"
    if device.type == "cpu":
        where = f"cpu ({torch.backends.cpu.get_cpu_capability()}, threads: {torch.get_num_threads()})"
    else:
        where = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
    return (
        f"sfpn {package_version()}, {runtime} {importlib.metadata.version(RUNTIMES[runtime])}, {precision} on {where}"
    )


def package_version(project_file: Path = PROJECT_FILE) -> str:
    """The version of this package: of the checkout that it is in, else as it was installed."""
    text = _read(project_file) or ""
    found = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    if found and f'name = "{PACKAGE}"' in text:
        return found[1]
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def affinity() -> int:
    """Processors that the system lets this process run on (`taskset`, cpusets); all of them where it does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(own: Path = OWN_GROUPS, root: Path = CONTROL_GROUPS) -> float | None:
    """Processors' worth of time that this process's control groups grant it (`docker --cpus`); None without a limit.

    own, root: the kernel's files. A group's limit holds for the groups below it; version 2 (`cpu.max`) and 1 are read.
    """
    quotas = []
    for line in (_read(own) or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            quotas += [_quota(*(_read(folder / "cpu.max") or "").split()) for folder in _upwards(root, group)]
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "cpu", group):
                time, period = (_read(folder / f"cpu.cfs_{what}_us") for what in ("quota", "period"))
                quotas.append(_quota(time or "", period or ""))
    return min((quota for quota in quotas if quota is not None), default=None)


def _upwards(root: Path, group: str) -> list[Path]:
    """The group's folder and those above it, up to `root`: in a container it may be `root` that is the group."""
    folder = root.joinpath(*Path(group.lstrip("/")).parts)
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _quota(time: str = "", period: str = "") -> float | None:
    """The quotient of two texts of microseconds; None for 'max', -1 and anything that is no limit."""
    if not (time.strip().isdecimal() and period.strip().isdecimal()):
        return None
    granted, of = int(time), int(period)
    return granted / of if granted and of else None


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None

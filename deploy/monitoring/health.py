"""The checks of `regionlake doctor`: one function for each subject, which yields findings with their fixes."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from schemas.errors import RegionLakeError

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. fix: what to do about it; empty where nothing is wrong."""

    subject: str
    state: Literal["ok", "warn", "fail"]
    found: str
    fix: str = ""


def check_python() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def check_packages() -> Iterator[Finding]:
    """Compares every requirement of this distribution with the installed version."""
    from packaging.requirements import Requirement

    good = 0
    for text in distribution("regionlake").requires or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        fix = f"bash deploy/setup.sh, or: pip install '{requirement.name}{requirement.specifier}'"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "fail", "not installed", fix)
            continue
        if requirement.specifier.contains(installed, prereleases=True):
            good += 1
        else:
            yield Finding(requirement.name, "fail", f"{installed}, needs {requirement.specifier}", fix)
    yield Finding("packages", "ok", f"{good} at versions that are known to work together")


def check_opencv() -> Iterator[Finding]:
    """Checks the build of cv2: several distributions install that folder, and only contrib has selective search."""
    import cv2

    fix = (
        "pip uninstall -y opencv-python opencv-python-headless && "
        "pip install --force-reinstall --no-deps opencv-contrib-python-headless"
    )
    if not hasattr(cv2, "ximgproc"):
        yield Finding("opencv", "fail", f"{cv2.__version__} without ximgproc: no selective search", fix)
        return
    others = [name for name in ("opencv-python", "opencv-python-headless", "opencv-contrib-python") if _installed(name)]
    if others:
        yield Finding(
            "opencv",
            "warn",
            f"{', '.join(others)} overlaps the contrib build, and its next update will overwrite it",
            fix,
        )
    else:
        yield Finding("opencv", "ok", f"{cv2.__version__} with ximgproc")


def check_codecs() -> Iterator[Finding]:
    import av
    from av.codec import Codec

    missing = []
    for name in ("h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg", "mpeg2video"):
        try:
            Codec(name, "r")
        except av.error.FFmpegError:
            missing.append(name)
    if missing:
        fix = "pip install --force-reinstall av; its wheel includes FFmpeg with these decoders"
        yield Finding("decoders", "warn", f"PyAV {av.__version__} cannot decode {', '.join(missing)}", fix)
    else:
        yield Finding("decoders", "ok", f"PyAV {av.__version__}: h264 hevc vp9 av1 mpeg4 mjpeg mpeg2video")


def check_sandbox() -> Iterator[Finding]:
    """What confines the processes that decode files and feeds."""
    from operators.sandbox.confinement import unsupported
    from operators.sandbox.landlock import landlock_version
    from operators.sandbox.seccomp import supports_seccomp

    version, filters = landlock_version(), supports_seccomp()
    found = f"Landlock {version or 'none'}, seccomp {'yes' if filters else 'none'}"
    missing = unsupported()
    if missing:
        fix = "a newer Linux, or security_opt of the container; read.limits.sandbox=require refuses to read without it"
        yield Finding("sandbox", "warn", f"{found}: decoders are not confined in {'; '.join(missing)}", fix)
    else:
        yield Finding("sandbox", "ok", f"{found}: a decoder has one file, and files no network")


def check_machine() -> Iterator[Finding]:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("cpu", "ok", f"{cpus} cores that this process may use")
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (available := _available_memory()) is not None:
        free = available
    state: Literal["ok", "warn"] = "ok" if free >= 2 * GIB else "warn"
    yield Finding("memory", state, f"{free / GIB:.1f} GiB free", "" if state == "ok" else "an ingest needs 2 GiB")


def check_disk(lake: str | None) -> Iterator[Finding]:
    folders = {"/dev/shm": "Ray's object store; give the container --shm-size=2g", "/tmp": "clear it, or set TMPDIR"}
    for folder, fix in folders.items():
        yield from _room(folder, folder, wants_gib=1, fix=fix)
    if lake and "://" not in lake:
        existing = next(p for p in (Path(lake).absolute(), *Path(lake).absolute().parents) if p.exists())
        yield from _room("disk of the lake", str(existing), wants_gib=2, fix="free space, or put the lake elsewhere")


def check_devices() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        yield Finding("gpu", "ok", ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())))
    else:
        yield Finding("gpu", "ok", f"none; torch {torch.__version__} on the CPU")


def check_model(name: str) -> Iterator[Finding]:
    """Loads the model, and encodes a text and a picture."""
    import numpy as np

    from operators.encoders.catalogue import load_encoder

    began = time.perf_counter()
    encoder = load_encoder(name, class_paths=True)
    loaded = time.perf_counter()
    agreement = encoder.encode_images([np.zeros((32, 32, 3), np.uint8)]) @ encoder.encode_texts(["a black picture"]).T
    encoder.close()
    found = f"{name}@{encoder.space.revision}: loads in {loaded - began:.1f} s, {encoder.space.dimension}-d"
    if np.isfinite(agreement).all():
        yield Finding("model", "ok", found)
    else:
        yield Finding("model", "fail", f"{name} gives vectors that are not finite", "install its weights again")


def check_lake(uri: str) -> Iterator[Finding]:
    from pipeline.lake.lake import Lake

    lake = Lake.open(uri)
    yield Finding(
        "lake", "ok", f"{uri}: {lake.count('frames'):,} frames, {lake.count('regions'):,} regions, {lake.space.model}"
    )


def check_ray() -> Iterator[Finding]:
    import ray

    from pipeline.runtime.ray_session import ray_session

    began = time.perf_counter()
    with ray_session(num_cpus=1):
        process = ray.get(ray.remote(_process).remote(), timeout=60)
        yield Finding(
            "ray", "ok", f"{ray.__version__}: a task ran in process {process} after {time.perf_counter() - began:.1f} s"
        )


def examine(*, lake: str | None, model: str, with_ray: bool) -> Iterator[Finding]:
    """Yields all findings. A check that raises becomes a finding, and the others still run."""
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", check_python),
        ("packages", check_packages),
        ("opencv", check_opencv),
        ("decoders", check_codecs),
        ("sandbox", check_sandbox),
        ("machine", check_machine),
        ("disk", lambda: check_disk(lake)),
        ("gpu", check_devices),
        ("model", lambda: check_model(model)),
    ]
    if with_ray:
        checks.append(("ray", check_ray))  # before the lake: Ray forks, which the lake's threads do not survive
    if lake:
        checks.append(("lake", lambda: check_lake(lake)))
    for subject, check in checks:
        try:
            yield from check()
        except RegionLakeError as error:  # its message has the advice
            yield Finding(subject, "fail", str(error), "")
        except Exception as error:  # this command exists to report any failure of an installation
            yield Finding(subject, "fail", f"{type(error).__name__}: {error}", "bash deploy/setup.sh, then try again")


def _process() -> int:
    return os.getpid()


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _available_memory() -> int | None:
    """Bytes that Linux could free, caches included; None on other systems."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


def _room(subject: str, folder: str, *, wants_gib: int, fix: str) -> Iterator[Finding]:
    if not Path(folder).is_dir():
        return
    free = shutil.disk_usage(folder).free / GIB
    enough = free >= wants_gib
    yield Finding(subject, "ok" if enough else "warn", f"{free:.1f} GiB free", "" if enough else fix)

"""What `reelstream doctor` looks at: each check says what it found, and what to do about a fault.

A check never changes anything but a file of its own, which it removes.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import httpx

from reelstream.broker import open_broker
from reelstream.cli.addresses import url
from reelstream.cli.compiled import compiled_folder, is_compiled
from reelstream.cli.dataset_factories import cache_folder, named_columns
from reelstream.cli.factories import open_log, open_work_folder
from reelstream.cli.preflight import free_port
from reelstream.datasets import detect
from reelstream.errors import ReelstreamError, how_to_install
from reelstream.files import temporary_path
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.work_folder import WorkFolder

MIN_PYTHON = (3, 11)
# Of Spark 4 and Kafka 4.
MIN_JAVA = 17
# A hundred thousand ratings need a tenth of it; 32 million need 6 GB of disk and 5 GB of memory.
MIN_DISK_BYTES = 1_000_000_000
MIN_MEMORY_BYTES = 1_500_000_000
# Messages may be so far ahead of the log's clock before they are rejected; see docs/data.md.
MAX_CLOCK_SECONDS = 60.0
# Extra -> a module that it brings, and what needs it.
EXTRAS = {
    "ui": ("streamlit", "the page"),
    "kafka": ("confluent_kafka", "Kafka as the log"),
    "spark": ("pyspark", "Spark as the engine"),
}


class Finding(NamedTuple):
    """What a check found."""

    check: str
    verdict: Literal["ok", "note", "fault"]
    """A note is fine for most uses; a fault stops the pipeline."""
    found: str
    fix: str = ""
    """What to do, for a note and a fault."""


Check = Callable[[Settings], Iterator[Finding]]


def python(_: Settings) -> Iterator[Finding]:
    """The interpreter, and whether it is a 64-bit one."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < MIN_PYTHON or sys.maxsize < 2**32:
        wanted = ".".join(map(str, MIN_PYTHON))
        yield Finding("python", "fault", found, f"install Python {wanted} or newer, 64 bits")
    else:
        yield Finding("python", "ok", found)


def packages(_: Settings) -> Iterator[Finding]:
    """The extras; what every command needs is there, or this would not run."""
    for extra, (module, purpose) in EXTRAS.items():
        if find_spec(module) is None:
            fix = f"for {purpose} {how_to_install(extra)}"
            yield Finding(f"package {extra}", "note", "not installed", fix)
        else:
            yield Finding(f"package {extra}", "ok", f"{module} is installed")


def java(_: Settings) -> Iterator[Finding]:
    """The Java that Spark and `make kafka` would start."""
    home = os.environ.get("JAVA_HOME")
    program = f"{home}/bin/java" if home else shutil.which("java")
    fix = f"for Spark or a broker of your own install Java {MIN_JAVA} or newer, or set JAVA_HOME"
    if program is None:
        yield Finding("java", "note", "not installed", fix)
        return
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    except OSError as error:
        yield Finding("java", "note", f"{program} cannot be started: {error.strerror}", fix)
        return
    version = re.search(r'version "(\d+)', done.stderr)
    if version is None or int(version[1]) < MIN_JAVA:
        found = f"{program} is too old" if version else f"{program} says no version"
        yield Finding("java", "note", found, fix)
    else:
        yield Finding("java", "ok", f"{version[1]} at {program}")


def ports(settings: Settings) -> Iterator[Finding]:
    """Whether API and page can listen; a port that our own API has is fine."""
    serve, page = settings.serve, settings.ui
    for name, host, port, flag, health in (
        ("API", serve.host, serve.port, "--port", "/health/live"),
        ("page", page.host, page.port, "--ui-port", "/_stcore/health"),
    ):
        try:
            free_port(host, port, flag)
        except ReelstreamError as error:
            if _answers(url(host, port) + health):
                yield Finding(f"port {port}", "ok", f"the {name} answers on it")
            else:
                found, _, fix = str(error).partition(": ")
                yield Finding(f"port {port}", "fault", f"of the {name}: {found}", fix)
        else:
            yield Finding(f"port {port}", "ok", f"free for the {name}")


def disk(settings: Settings) -> Iterator[Finding]:
    """Space where the work folder is, or will be."""
    place = _existing(settings.work)
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free at {place}"
    if free < MIN_DISK_BYTES:
        fix = "free some space, or name a folder on another disk with --work"
        yield Finding("disk", "fault", found, fix)
    else:
        yield Finding("disk", "ok", found)


def memory(_: Settings) -> Iterator[Finding]:
    """Memory that is available, under the limit of a container too."""
    free = _available_memory()
    if free is None:
        return
    found = f"{free / 1e9:.1f} GB available"
    if free < MIN_MEMORY_BYTES:
        yield Finding("memory", "note", found, "end other programs, or use a smaller data set")
    else:
        yield Finding("memory", "ok", found)


def log(settings: Settings) -> Iterator[Finding]:
    """The log of the work folder, and its topic."""
    folder, named = WorkFolder(settings.work), settings.broker.url
    try:
        if folder.is_bound:
            _, binding = open_work_folder(settings)
            with open_log(binding, settings.kafka) as opened:
                ends = opened.end_offsets(binding.topic)
            found = f"{binding.broker}, topic {binding.topic}: ends at {sum(ends.values()):,}"
        elif named is None or named.startswith("sqlite:"):
            # Opening would make it.
            found = f"{folder.root} is new: a log is made in it"
        else:
            with open_broker(named, settings.kafka) as opened:
                found = f"{named} answers; topics: {', '.join(opened.topics()) or 'none'}"
    except ReelstreamError as error:
        found, _, fix = str(error).rpartition(": ")
        yield Finding("log", "fault", found, fix)
    else:
        yield Finding("log", "ok", found)


def data(settings: Settings) -> Iterator[Finding]:
    """Which ratings a run would take, without reading them."""
    folder = WorkFolder(settings.work)
    named = settings.data.folder
    try:
        bound = folder.binding().data_set if folder.is_bound else None
        if named is None and bound is not None:
            named = Path(bound.ratings_file)
        if named is not None:
            dataset = detect(named, named_columns(settings.data))
            yield Finding("data", "ok", f"{dataset.name}, of the layout {dataset.layout}")
            return
    except ReelstreamError as error:
        yield Finding("data", "fault", str(error), "name your ratings with --data")
        return
    kept = (settings.data.cache or cache_folder()) / "ml-latest-small"
    if folder.simulated.is_dir():
        yield Finding("data", "ok", f"simulated ratings in {folder.simulated}")
    elif kept.is_dir():
        yield Finding("data", "ok", f"MovieLens's small data set, in {kept}")
    else:
        found = "none yet: MovieLens's small data set is downloaded, or ratings are simulated"
        yield Finding("data", "ok", found)


def compiled_functions(_: Settings) -> Iterator[Finding]:
    """Where Numba keeps what it compiled, and whether it has."""
    kept = compiled_folder()
    if not os.access(_existing(kept), os.W_OK):
        fix = "set NUMBA_CACHE_DIR to a folder that you may write: else every start compiles"
        yield Finding("compiled functions", "note", f"{kept} cannot be written", fix)
    elif not is_compiled():
        found = "none yet: the first run compiles for about a minute, and keeps them"
        yield Finding("compiled functions", "ok", found)
    else:
        yield Finding("compiled functions", "ok", f"kept in {kept}")


def clock(settings: Settings) -> Iterator[Finding]:
    """Whether this machine's clock agrees with what has been written before."""
    folder, now = WorkFolder(settings.work), time.time()
    known = [("this program", Path(__file__).stat().st_mtime)]
    try:
        newest = BatchFolder.in_folder(folder.batches).newest() if folder.is_bound else None
        if newest is not None:
            known.append((f"batch {newest.number}", newest.closed_at))
    except ReelstreamError:
        pass  # what is wrong with the files, `audit` says
    late = [(what, at - now) for what, at in known if at - now > MAX_CLOCK_SECONDS]
    found = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC"
    for what, seconds in late:
        found = f"{found}, {seconds:,.0f} s before {what} was written"
        yield Finding("clock", "fault", found, "set the clock: `timedatectl set-ntp true`")
    if not late:
        yield Finding("clock", "ok", found)


def permissions(settings: Settings) -> Iterator[Finding]:
    """Whether files can be written, linked and removed: a batch is published by a hard link."""
    place = _existing(settings.work)
    probe = temporary_path(place / "doctor")
    linked = probe.with_suffix(".linked")
    try:
        probe.write_bytes(b"")
        os.link(probe, linked)
    except OSError as error:
        found = f"{place}: {error.strerror}"
        fix = "name a folder that you may write, on a disk that knows hard links, with --work"
        yield Finding("permissions", "fault", found, fix)
    else:
        yield Finding("permissions", "ok", f"{place} can be written")
    finally:
        probe.unlink(missing_ok=True)
        linked.unlink(missing_ok=True)


CHECKS: tuple[Check, ...] = (
    python,
    packages,
    java,
    ports,
    disk,
    memory,
    permissions,
    log,
    data,
    compiled_functions,
    clock,
)


def findings(settings: Settings) -> list[Finding]:
    """Of all checks, in their order."""
    return [finding for check in CHECKS for finding in check(settings)]


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=1).is_success
    except httpx.HTTPError:
        return False


def _available_memory() -> int | None:
    """In bytes; None where the system does not say."""
    try:
        said = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    free = int(re.search(r"MemAvailable:\s+(\d+)", said)[1]) * 1024  # type: ignore[index]
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    try:
        return min(free, int(limit.read_text()) - int(used.read_text()))
    except (OSError, ValueError):  # no container, or one without a limit
        return free

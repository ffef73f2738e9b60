"""Add packages to a channel folder one by one with py-rattler's index_fs.

Usage: index_fs.py CHANNEL SUBDIR PACKAGE...
Prints one JSON line for the first run over the folder, which makes all documents, and one a package: seconds of wall clock and of
processor time, and peak memory.
"""

import asyncio
import json
import os
import resource
import shutil
import sys
import time

from rattler.index import index_fs
from rattler.platform import Platform


def processor_time() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def index(channel: str, subdir: str) -> None:
    await index_fs(channel_directory=channel, target_platform=Platform(subdir), write_zst=True, write_shards=True)


def peak() -> int:
    """Bytes: VmHWM, for ru_maxrss would count what started this process."""
    with open("/proc/self/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) * 1024


async def run(channel: str, subdir: str, name: str) -> None:
    wall, cpu = time.perf_counter(), processor_time()
    await index(channel, subdir)
    line = {"wall": time.perf_counter() - wall, "cpu": processor_time() - cpu, "rss": peak(), "listed": True}
    if name:
        with open(os.path.join(channel, subdir, "repodata.json"), encoding="utf-8") as f:
            line["listed"] = f.read().find('"' + name + '"') >= 0
    print(json.dumps(line), flush=True)


async def main(channel: str, subdir: str, packages: list[str]) -> None:
    await run(channel, subdir, "")
    for package in packages:
        shutil.copy(package, os.path.join(channel, subdir))
        await run(channel, subdir, os.path.basename(package))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))

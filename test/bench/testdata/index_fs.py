"""Add packages to a channel folder one by one with py-rattler's index_fs.

Usage: index_fs.py CHANNEL SUBDIR PACKAGE...
Prints one JSON line a package: seconds of wall clock and of processor time.
The first run over a folder, which makes its documents, is not counted.
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


async def main(channel: str, subdir: str, packages: list[str]) -> None:
    await index(channel, subdir)
    for package in packages:
        shutil.copy(package, os.path.join(channel, subdir))
        wall, cpu = time.perf_counter(), processor_time()
        await index(channel, subdir)
        line = {"wall": time.perf_counter() - wall, "cpu": processor_time() - cpu}
        with open(os.path.join(channel, subdir, "repodata.json"), encoding="utf-8") as f:
            line["listed"] = f.read().find('"' + os.path.basename(package) + '"') >= 0
        line["rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps(line), flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))

"""One client of a fleet: solves from an empty cache, downloads what was chosen, prints one JSON object.

fleet.py CHANNEL CACHE SPEC...
"a" and "b" are the versions of clock-a, published first, and clock-b that were solved and downloaded; "seena" and "seenb" the newest
of them in what the gateway holds, which is what the solver was given.
"""

import asyncio
import json
import os
import sys

import rattler
from rattler import package_streaming
from rattler.networking import Client


async def main(channel, cache, *specs):
    client = Client.default_client(max_retries=0)
    config = rattler.SourceConfig(sharded_enabled=True, bz2_enabled=False)
    gateway = rattler.Gateway(cache_dir=cache, default_config=config, client=client)
    platforms = ["linux-64", "noarch"]
    records = await rattler.solve([channel], list(specs), gateway=gateway, platforms=platforms)
    os.makedirs(cache + "/packages", exist_ok=True)
    at_once = asyncio.Semaphore(8)

    async def download(record):
        async with at_once:
            path = f"{cache}/packages/{record.file_name}"
            await package_streaming.download_to_path(client, record.url, path)
            if os.path.getsize(path) != record.size:
                raise SystemExit(f"{record.file_name} has {os.path.getsize(path)} bytes, its record says {record.size}")

    await asyncio.gather(*(download(r) for r in records))
    seen = await gateway.query([channel], platforms, ["clock-a", "clock-b"], recursive=False)
    chosen = {r.name.normalized: int(str(r.version)) for r in records if r.name.normalized in ("clock-a", "clock-b")}
    newest = {"clock-a": 0, "clock-b": 0}
    for record in (r for source in seen for r in source):
        newest[record.name.normalized] = max(newest[record.name.normalized], int(str(record.version)))
    return {
        "packages": len(records),
        "a": chosen["clock-a"],
        "b": chosen["clock-b"],
        "seena": newest["clock-a"],
        "seenb": newest["clock-b"],
    }


print(json.dumps(asyncio.run(main(*sys.argv[1:]))), flush=True)
os._exit(0)  # py-rattler's threads may still want the interpreter while it goes, and then it aborts

"""Drives py-rattler: reads a request as JSON from stdin, prints the answer as JSON.

Every call is a process of its own, hence a Gateway of its own, with the cache folder that the request names.
"""

import asyncio
import json
import os
import sys

import rattler
from rattler.networking import Client


def gateway(request):
    config = rattler.SourceConfig(sharded_enabled=request.get("shards", True), bz2_enabled=False)
    client = Client.default_client(max_retries=0)
    return rattler.Gateway(cache_dir=request["cache"], default_config=config, client=client), client


def shown(record):
    return json.loads(record.to_json()) | {"url": record.url, "fn": record.file_name}


async def query(request):
    """All records of some names, with what they depend on or not."""
    through, _ = gateway(request)
    found = await through.query(
        [request["channel"]], request["platforms"], request["specs"], recursive=request.get("recursive", False)
    )
    return [shown(r) for per_source in found for r in per_source]


async def names(request):
    through, _ = gateway(request)
    found = await through.names([request["channel"]], request["platforms"])
    return sorted(n.normalized for n in found)


async def solve(request):
    through, _ = gateway(request)
    return [shown(r) for r in await rattler.solve([request["channel"]], request["specs"], gateway=through, platforms=request["platforms"])]


async def install(request):
    through, client = gateway(request)
    records = await rattler.solve([request["channel"]], request["specs"], gateway=through, platforms=request["platforms"])
    await rattler.install(
        records, request["prefix"], cache_dir=request["cache"] + "/packages", show_progress=False, client=client,
        platform=rattler.Subdir(request["platforms"][0]), execute_link_scripts=False,
    )
    return [shown(r) for r in records]


VERBS = {f.__name__: f for f in (query, names, solve, install)}

request = json.load(sys.stdin)
try:
    answer = {"records": asyncio.run(VERBS[request["verb"]](request))}
except Exception as error:  # the test looks at what people would read
    answer = {"error": f"{type(error).__name__}: {error}"}
json.dump(answer, sys.stdout)
sys.stdout.flush()
os._exit(0)  # py-rattler's threads may still want the interpreter while it goes, and then it aborts

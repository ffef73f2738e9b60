"""Index a channel folder with conda-index, whose cache holds the records already.

Usage: index_conda.py fill CHANNEL SUBDIR             fill the cache from SUBDIR/repodata.json
       index_conda.py index CHANNEL SUBDIR PACKAGE... all documents, then again after each package that is added
The second prints one JSON line a run: seconds of wall clock and of processor time, and the memory of the largest of its processes.
PYTHONPATH names the sources of conda and conda-index.
"""

import json
import os
import resource
import shutil
import sys
import time

from conda_index.index import ChannelIndex


def channel_index(channel, subdir):
    # save_fs_state: it takes the files that its cache names for those that are there, and does not look for 700,000 of them.
    return ChannelIndex(
        channel, "bench", subdirs=[subdir, "noarch"], write_zst=True, write_run_exports=True, write_shards=True, write_monolithic=True, save_fs_state=False
    )


def fill(channel, subdir):
    path = os.path.join(channel, subdir, "repodata.json")
    with open(path, encoding="utf-8") as f:
        document = json.load(f)
    os.remove(path)
    records = {**document["packages"], **document["packages.conda"]}
    cache = channel_index(channel, subdir).cache_for_subdir(subdir)
    with cache.db as db:
        db.executemany("INSERT INTO index_json (path, index_json) VALUES (?, ?)", ((fn, json.dumps(r)) for fn, r in records.items()))
        for stage in ("fs", "indexed"):
            db.executemany(
                "INSERT INTO stat (stage, path, mtime, size, sha256, md5) VALUES (?, ?, 1, ?, ?, ?)",
                ((stage, fn, r["size"], r["sha256"], r["md5"]) for fn, r in records.items()),
            )
    cache.close()


def processor_time():
    return sum(u.ru_utime + u.ru_stime for u in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def peak():
    """Bytes: VmHWM, for ru_maxrss would count what started this process, and that of the largest child."""
    with open("/proc/self/status", encoding="ascii") as f:
        own = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


def run(channel, subdir, name):
    wall, cpu = time.perf_counter(), processor_time()
    index = channel_index(channel, subdir)
    index.index(None)
    index.update_channeldata()
    line = {"wall": time.perf_counter() - wall, "cpu": processor_time() - cpu, "rss": peak(), "listed": True}
    if name:
        with open(os.path.join(channel, subdir, "repodata.json"), encoding="utf-8") as f:
            line["listed"] = f.read().find('"' + name + '"') >= 0
    print(json.dumps(line), flush=True)


def index(channel, subdir, *packages):
    run(channel, subdir, "")
    for package in packages:
        name = os.path.basename(package)
        shutil.copy(package, os.path.join(channel, subdir))
        cache = channel_index(channel, subdir).cache_for_subdir(subdir)
        with cache.db as db:
            db.execute("INSERT INTO stat (stage, path, mtime, size) VALUES ('fs', ?, 1, ?)", (name, os.path.getsize(package)))
        cache.close()
        run(channel, subdir, name)


if __name__ == "__main__":  # its processes read this file again
    {"fill": fill, "index": index}[sys.argv[1]](*sys.argv[2:])

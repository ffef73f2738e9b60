"""What others need for the formats that Terrarium reads and writes; prints one JSON object.

formats.py splice FOLDER       unpack FOLDER/ours and FOLDER/plain with decompressobj; both must give FOLDER/text
formats.py parse PACKAGE...    read the members of info/ of .conda packages with conda-package-streaming
formats.py bz2 PACKAGE         read a .tar.bz2 with libbz2 up to info/index.json
"""

import json
import sys
import tarfile
import time


def least(work) -> float:
    """Seconds of processor time of the fastest of seven."""
    took = []
    for _ in range(7):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return min(took)


def splice(folder):
    import zstandard

    with open(folder + "/text", "rb") as f:
        text = f.read()
    answer = {}
    for name in ("ours", "plain"):
        with open(f"{folder}/{name}", "rb") as f:
            frame = f.read()
        if zstandard.ZstdDecompressor().decompressobj().decompress(frame) != text:
            raise SystemExit(f"{name} unpacks to something else")
        answer[name] = least(lambda: zstandard.ZstdDecompressor().decompressobj().decompress(frame))
    return answer


def parse(*packages):
    from conda_package_streaming import package_streaming

    def work():
        for package in packages:
            for tar, member in package_streaming.stream_conda_component(package, component="info"):
                if member.isfile():
                    tar.extractfile(member).read()

    return {"seconds": least(work)}


def bz2(package):
    def work():
        with tarfile.open(package, "r:bz2") as tar:
            for member in tar:
                if member.name == "info/index.json":
                    tar.extractfile(member).read()
                    return

    return {"seconds": least(work)}


json.dump({"splice": splice, "parse": parse, "bz2": bz2}[sys.argv[1]](*sys.argv[2:]), sys.stdout)

"""Decodes a file with each reader of python-zstandard that conda has used; prints the digest that each of them saw."""

import hashlib
import io
import json
import sys

import zstandard

data = open(sys.argv[1], "rb").read()


def whole():
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 30)


def stream():
    # Without read_across_frames: what lies behind the first frame is lost, as it is for rattler.
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=False) as reader:
        return reader.read()


def pushed():
    out = io.BytesIO()
    with zstandard.ZstdDecompressor().stream_writer(out, closefd=False) as writer:
        for at in range(0, len(data), 1 << 16):
            writer.write(data[at : at + (1 << 16)])
    return out.getvalue()


json.dump({f.__name__: hashlib.sha256(f()).hexdigest() for f in (whole, stream, pushed)}, sys.stdout)

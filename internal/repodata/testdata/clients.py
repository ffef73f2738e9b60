"""Decodes what Terrarium wrote the way the stock clients do.

usage: clients.py zst FILE EXPECTED     one spliced frame against its text
       clients.py shard FILE            a shard, as conda reads it; prints JSON
       clients.py index FILE            a shard index, likewise
       clients.py rattler FILE          a repodata.json; prints names by file
"""
import io
import json
import sys

mode, path = sys.argv[1], sys.argv[2]
data = open(path, "rb").read()

if mode == "zst":
    import zstandard

    want = open(sys.argv[3], "rb").read()

    def pieces(n):
        return (data[i : i + n] for i in range(0, len(data), n))

    def decompressobj(n):
        d = zstandard.ZstdDecompressor().decompressobj()  # stops after one frame, as rattler does
        out = b"".join(d.decompress(p) for p in pieces(n))
        assert d.eof and not d.unused_data, "not exactly one frame"
        return out

    def stream_reader(n):
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_size=n) as r:
            return r.read()

    def stream_writer(n):
        out = io.BytesIO()
        w = zstandard.ZstdDecompressor().stream_writer(out, closefd=False)
        for p in pieces(n):
            w.write(p)
        return out.getvalue()

    for decode in (decompressobj, stream_reader, stream_writer):
        for n in (777, 1 << 16, len(data)):
            assert decode(n) == want, f"{decode.__name__} in chunks of {n} gives other bytes"
    params = zstandard.get_frame_parameters(data)
    assert params.window_size <= 1 << 20 and not params.has_checksum and params.dict_id == 0
elif mode in ("shard", "index"):
    import msgpack
    import zstandard

    limit = (16 if mode == "shard" else 128) << 20
    raw = zstandard.ZstdDecompressor(max_window_size=1 << 24).decompress(data, max_output_size=limit)
    doc = msgpack.unpackb(raw, strict_map_key=True)

    def hexed(v):
        if isinstance(v, bytes):
            return {"bin": v.hex()}
        if isinstance(v, dict):
            return {k: hexed(x) for k, x in v.items()}
        return [hexed(x) for x in v] if isinstance(v, list) else v

    json.dump(hexed(doc), sys.stdout, sort_keys=True)
elif mode == "rattler":
    import os
    from rattler import Channel, SparseRepoData

    sparse = SparseRepoData(Channel("test", None), os.path.basename(os.path.dirname(path)), path)
    out = {}
    for name in sparse.package_names():
        for r in sparse.load_records(name):
            out[r.file_name] = [r.name.normalized, str(r.version), str(r.build), r.sha256.hex(), r.size]
    json.dump(out, sys.stdout, sort_keys=True)

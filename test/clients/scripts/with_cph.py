"""Extracts packages with conda-package-handling and prints, by file name, what lies in them; an archive that it cannot
extract has an error instead. Usage: with_cph.py FOLDER FILE..."""

import hashlib
import json
import os
import sys

from conda_package_handling import api

answer = {}
for path in sys.argv[2:]:
    name = os.path.basename(path)
    target = os.path.join(sys.argv[1], name + ".d")
    data = open(path, "rb").read()
    try:
        api.extract(path, target)
        with open(os.path.join(target, "info", "index.json")) as f:
            index = json.load(f)
    except BaseException as error:  # it raises SystemExit at some
        answer[path] = {"error": f"{type(error).__name__}: {error}"}
        continue
    files = sorted(os.path.relpath(os.path.join(d, f), target) for d, _, names in os.walk(target) for f in names)
    answer[path] = {
        "index": index, "files": files, "size": len(data),
        "md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(),
    }
json.dump(answer, sys.stdout)

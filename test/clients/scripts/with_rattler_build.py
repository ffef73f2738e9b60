"""Drives py-rattler-build: builds a recipe or uploads what it built. Reads JSON from stdin, prints JSON."""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import rattler_build

request = json.load(sys.stdin)
try:
    if request["verb"] == "build":
        rattler_build.build_recipes(
            [request["recipe"]], output_dir=request["output"], channel=request["channels"], target_platform=request["platform"],
            package_format=request["format"], test="skip", no_build_id=True, use_bz2=False,
        )
        answer = {
            "files": [
                os.path.join(d, f) for d, _, names in os.walk(request["output"]) for f in names
                if f.endswith((".conda", ".tar.bz2")) and "broken" not in d
            ]
        }
    elif request["verb"] == "anaconda":
        rattler_build.upload_package_to_anaconda(
            request["files"], request["owner"], channel=request["channels"], api_key=request["token"], url=request["url"],
            force=request["force"],
        )
        answer = {}
    elif request["verb"] == "prefix":
        rattler_build.upload_package_to_prefix(
            request["files"], request["url"], request["channel"], api_key=request["token"], skip_existing=request["skip_existing"],
        )
        answer = {}
except Exception as error:
    answer = {"error": f"{type(error).__name__}: {error}"}
json.dump(answer, sys.stdout)

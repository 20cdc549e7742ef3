"""Files that would run a command where they were trusted."""

import base64
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import cloudpickle


class Hidden:
    """Touches a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.mark}'",)


def pickled(value: Any) -> dict[str, str]:
    """As ``data`` of a checkpoint holds what JSON does not know."""
    return {
        ":type:": "stranger",
        ":serialized:": base64.b64encode(cloudpickle.dumps(value)).decode(),
    }


def rewrite(
    source: Path, target: Path, data: dict[str, Any] | None = None, **files: bytes | None
) -> Path:
    """Copy a checkpoint with other entries of ``data``, ``...`` for none, and other files."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        stored = {name: old.read(name) for name in old.namelist()}
        changed = {**json.loads(stored["data"]), **(data or {})}
        kept = {key: value for key, value in changed.items() if value is not ...}
        stored["data"] = json.dumps(kept).encode()
        for name, content in {
            **stored,
            **{k.replace("_pth", ".pth"): v for k, v in files.items()},
        }.items():
            if content is not None:
                new.writestr(name, content)
    return target

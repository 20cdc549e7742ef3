"""How much memory is free, and networks that are refused before they take more."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import psutil
import torch as th
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from sb3_scale.errors import Sb3ScaleError

LIMIT = 0.9
"""Share of what is free that networks or a replay buffer may take at most."""

BYTES = 20
"""Of a float32 parameter, its gradient, Adam's two moments and its Polyak copy."""

GROUP = Path("/sys/fs/cgroup")
"""Of this process's control group, as a container sees it."""

GROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file",
    ),
)
"""Limit, use, and figures with that of files that are kept while nobody wants the room; v2, v1."""

MADE_BYTES = 8
"""Of a parameter and its copy, which the host holds until they go to a GPU."""

MOST_TENSORS = 100_000
"""Of parameters; each takes longer to make than memory to hold."""


def free_bytes(device: th.device) -> int:
    """
    :param device: a GPU, or the host
    :return: what is free there, nothing on a GPU that is not there
    """
    if device.type == "cuda":
        if not th.cuda.is_available():
            return 0
        # PyTorch keeps what was freed, and the driver counts it as used.
        kept = th.cuda.memory_reserved(device) - th.cuda.memory_allocated(device)
        return th.cuda.mem_get_info(device)[0] + kept
    return max(0, min([int(psutil.virtual_memory().available), *_left_in_container()]))


def _left_in_container() -> list[int]:
    """Bytes below the limit of a control group, such as that of a container."""
    found = []
    for limit, used, figures, kept in GROUP_FILES:
        try:
            room = int((GROUP / limit).read_text()) - int((GROUP / used).read_text())
            lines = map(str.split, (GROUP / figures).read_text().splitlines())
            found.append(room + next((int(size) for name, size in lines if name == kept), 0))
        except (OSError, ValueError):
            # There is no such group, or "max": no limit.
            continue
    return found


class _Count:
    """Of the parameters that are made within :func:`networks_within`."""

    def __init__(self, device: th.device) -> None:
        host = free_bytes(th.device("cpu"))
        self.rooms = [("host", host, MADE_BYTES if device.type == "cuda" else BYTES)]
        if device.type == "cuda":
            self.rooms.append(("device", free_bytes(device), BYTES))
        self.parameters = 0
        self.tensors = 0

    def check(self, more: int) -> None:
        parameters = self.parameters + more
        for place, free, each in self.rooms:
            if parameters * each > LIMIT * free:
                raise Sb3ScaleError(
                    f"the networks have at least {parameters} parameters: with gradients, Adam's "
                    f"two moments and targets they take {parameters * each / 1e9:.1f} GB, and "
                    f"{free / 1e9:.1f} GB of the {place}'s memory are free; allowed: at most "
                    f"{int(LIMIT * free / each)} parameters"
                )

    def add(self, module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is None or isinstance(parameter, nn.UninitializedParameter):
            return
        self.check(parameter.numel())
        self.parameters += parameter.numel()
        self.tensors += 1
        if self.tensors > MOST_TENSORS:
            raise Sb3ScaleError(
                f"the networks have more than {MOST_TENSORS} tensors of parameters; allowed: fewer "
                "layers"
            )


_count: ContextVar[_Count | None] = ContextVar("count", default=None)


@contextmanager
def networks_within(device: th.device) -> Iterator[None]:
    """
    Within it, networks that the memory cannot hold are refused as they are made.

    :param device: where they will be trained
    """
    count = _Count(device)
    token = _count.set(count)
    hook = register_module_parameter_registration_hook(count.add)
    try:
        yield
    finally:
        hook.remove()
        _count.reset(token)


def check_parameters(parameters: int) -> None:
    """
    For a layer to call before it takes memory.

    :param parameters: that it is about to make
    :raises Sb3ScaleError: within :func:`networks_within`, if there is not enough memory
    """
    count = _count.get()
    if count is not None:
        count.check(parameters)

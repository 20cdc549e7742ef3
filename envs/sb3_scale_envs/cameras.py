"""Cameras of a simulation."""

from collections.abc import Sequence

from sb3_scale.errors import Sb3ScaleError, nearest, shown


def check_camera(key: str, camera: object, names: Sequence[str], numbers: range) -> None:
    """
    :param key: of the argument
    :param camera: that was asked for
    :param names: of cameras that the argument may have
    :param numbers: that it may have
    :raises Sb3ScaleError: if it is none of them
    """
    if (type(camera) is int and camera in numbers) or camera in names:
        return
    allowed = list(names)
    if numbers:
        allowed.append(f"a whole number from {numbers[0]} to {numbers[-1]}")
    raise Sb3ScaleError(
        f"{key} is {shown(camera)}; allowed: {', '.join(allowed) or 'none'}"
        + nearest(str(camera), names)
    )

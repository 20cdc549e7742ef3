"""EnvPool, which only an extra installs: its import, and what a user reads where it fails."""

from types import ModuleType
from typing import cast

from sb3_scale.errors import Sb3ScaleError


def load_envpool(user: str, extra: str) -> ModuleType:
    """
    :param user: what needs EnvPool, for the message
    :param extra: the extra of ``sb3-scale`` that installs it
    :return: the module ``envpool``
    :raises Sb3ScaleError: if it is not installed or cannot be imported
    """
    try:
        import envpool
    except ModuleNotFoundError as error:
        raise Sb3ScaleError(
            f"{user} needs EnvPool, which is not installed: "
            f"python -m pip install 'sb3-scale[{extra}]'"
        ) from error
    except ImportError as error:
        raise Sb3ScaleError(
            f"{user} needs EnvPool, which cannot be imported ({error}): install libegl1 and "
            "libopengl0"
        ) from error
    return cast("ModuleType", envpool)

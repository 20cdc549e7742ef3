"""``--env module:Class``: an environment that is registered nowhere."""

from importlib import import_module

import gymnasium

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.guard import importing_module, look_here, told

OPTION = "--env"


def name_env(words: list[str]) -> None:
    """
    Register an environment that RL-Zoo's command line names by module and class, under the name of
    its class, and put that name in its place.

    :param words: of the command line, which change
    :raises Sb3ScaleError: if there is no such module, or no such class in it
    """
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == OPTION and ":" in value:
            words[at] = f"{option}{equals}{_registered(value)}"
        elif word == OPTION and at + 1 < len(words) and ":" in words[at + 1]:
            words[at + 1] = _registered(words[at + 1])


def _registered(name: str) -> str:
    """
    :param name: ``module:Class``, or ``module:id`` where the module registers the id itself
    :return: the id
    """
    module_name, _, env_id = name.partition(":")
    look_here()
    try:
        with importing_module(module_name):
            module = import_module(module_name)
    except Sb3ScaleError as error:
        raise Sb3ScaleError(
            f"{OPTION} is {shown(name)}, and '{module_name}' cannot be imported: {error}"
        ) from error.__cause__
    found = vars(module).get(env_id)
    if callable(found):
        target = f"{module_name}:{env_id}"
        known = gymnasium.registry.get(env_id)
        if known is not None and known.entry_point != target:
            raise Sb3ScaleError(
                f"{OPTION} is {shown(name)}, and Gymnasium knows another '{env_id}'; allowed: a "
                "class with a name of its own"
            )
        if known is None:
            try:
                gymnasium.register(env_id, entry_point=target)
            except gymnasium.error.Error as error:
                # Such as a name that it has with a version.
                raise Sb3ScaleError(
                    f"{OPTION} is {shown(name)}, and Gymnasium takes no '{env_id}': {told(error)}; "
                    "allowed: a class with a name of its own"
                ) from error
    elif env_id not in gymnasium.registry:
        classes = [
            key
            for key, each in vars(module).items()
            if isinstance(each, type) and issubclass(each, gymnasium.Env)
        ]
        raise Sb3ScaleError(
            f"{OPTION} is {shown(name)}, and '{module_name}' has no class '{env_id}'"
            f"{suggestion(env_id, classes)}"
        )
    return env_id

"""How long an episode may be."""

from stable_baselines3.common.vec_env import VecEnv


def max_episode_steps(env: VecEnv) -> int | None:
    """
    Of the spec that Gymnasium keeps, of a ``TimeLimit``, or of an attribute ``max_episode_steps``,
    which a class can have that ends its episodes itself.

    :param env: the environments, of which the first counts
    :return: decisions in the longest episode, if that is known
    """
    spec = env.get_attr("spec", 0)[0] if env.has_attr("spec") else None
    if spec is not None and spec.max_episode_steps is not None:
        return int(spec.max_episode_steps)
    # The second is that of Gymnasium's TimeLimit around a class that is not registered.
    for name in ("max_episode_steps", "_max_episode_steps"):
        if env.has_attr(name):
            return int(env.get_attr(name, 0)[0])
    return None

"""``python -m sb3_scale_envs.drawing_speed``: what draws on this machine, and how fast."""

import json
import time

from sb3_scale_envs.dm_control import DMControlEnv
from sb3_scale_envs.opengl import renderer
from sb3_scale_envs.rendering import Picture

SECONDS = 0.25
SIZE = 84


def frames_per_second(domain: str, task: str, render: dict[str, bool]) -> float:
    """
    :param domain: of a task of the DeepMind Control Suite
    :param task: of that domain
    :param render: what frames leave out
    :return: frames of 84x84 that are drawn in a second, by a short trial
    """
    env = DMControlEnv(domain, task)
    env.reset(seed=0)
    picture = Picture(env.physics, SIZE, SIZE, 0, render, "drawing")
    picture.draw()
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < SECONDS:
        picture.draw()
        count += 1
    env.close()
    return count / passed


def main() -> None:
    """Print renderer, version and frames per second of cartpole-swingup as JSON."""
    shadows = frames_per_second("cartpole", "swingup", {})
    plain = frames_per_second("cartpole", "swingup", {"shadows": False})
    name, version = renderer()
    print(json.dumps({"renderer": name, "version": version, "shadows": shadows, "plain": plain}))


if __name__ == "__main__":
    main()

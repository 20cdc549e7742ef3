"""The tasks, as data, because a listing may not import dm_control or EnvPool."""

TASKS: dict[str, tuple[str, ...]] = {
    "acrobot": ("swingup", "swingup_sparse"),
    "ball_in_cup": ("catch",),
    "cartpole": (
        "balance",
        "balance_sparse",
        "swingup",
        "swingup_sparse",
        "two_poles",
        "three_poles",
    ),
    "cheetah": ("run",),
    "dog": ("stand", "walk", "trot", "run", "fetch"),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "fish": ("upright", "swim"),
    "hopper": ("stand", "hop"),
    "humanoid": ("stand", "walk", "run", "run_pure_state"),
    "humanoid_CMU": ("stand", "walk", "run"),
    "lqr": ("lqr_2_1", "lqr_6_2"),
    "manipulator": ("bring_ball", "bring_peg", "insert_ball", "insert_peg"),
    "pendulum": ("swingup",),
    "point_mass": ("easy", "hard"),
    "quadruped": ("walk", "run", "escape", "fetch"),
    "reacher": ("easy", "hard"),
    "stacker": ("stack_2", "stack_4"),
    "swimmer": ("swimmer6", "swimmer15"),
    "walker": ("stand", "walk", "run"),
}
"""Task names of each domain, in the order of ``dm_control.suite.ALL_TASKS``."""

MYO_TASKS: dict[str, tuple[str, float]] = {
    "key-turn": ("myoHandKeyTurnFixed-v0", 0.02),
    "key-turn-hard": ("myoHandKeyTurnRandom-v0", 0.02),
    "obj-hold": ("myoHandObjHoldFixed-v0", 0.02),
    "obj-hold-hard": ("myoHandObjHoldRandom-v0", 0.02),
    "pen-twirl": ("myoHandPenTwirlFixed-v0", 0.01),
    "pen-twirl-hard": ("myoHandPenTwirlRandom-v0", 0.01),
    "pose": ("myoHandPoseFixed-v0", 0.02),
    "pose-hard": ("myoHandPoseRandom-v0", 0.02),
    "reach": ("myoHandReachFixed-v0", 0.02),
    "reach-hard": ("myoHandReachRandom-v0", 0.02),
}
"""MyoSuite's id of each task, and its control step in seconds."""

NAVIGATION: dict[str, dict[str, int]] = {
    "navigation": {},
    **{f"navigation-{n}": {"n": n} for n in (2, 10, 50, 100)},
}
"""Arguments of each environment of navigation."""

ROBOTICS = ("FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4")
"""Goal tasks, by their names in gymnasium-robotics."""

MINATAR = tuple(
    f"MinAtar/{game}-v1" for game in ("Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders")
)
"""Games, by their ids in MinAtar."""

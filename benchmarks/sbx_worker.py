"""
Gradient steps per second of SBX's CrossQ, on request.

``update_throughput.py`` starts it in an environment that has SBX. It reads lengths of turns in
seconds from standard input, one per line, and answers each with a rate.
"""

import argparse
import os
import sys

import sbx
from stable_baselines3.common.logger import Logger

from measuring import Spaces, fill, measure


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    for option in ("observations", "actions", "actor-width", "critic-width", "transitions"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    # JAX starts as many threads as the process may use cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

    net = {"pi": [args.actor_width] * 2, "qf": [args.critic_width] * 2}
    model = sbx.CrossQ(
        "MlpPolicy",
        Spaces(args.observations, args.actions),
        buffer_size=args.transitions,
        policy_kwargs={"net_arch": net},
        seed=0,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    for _ in range(2 * model.policy_delay):
        # Compiles one program per position in the actor's delay.
        model.train(gradient_steps=1, batch_size=args.batch_size)
    print(f"SBX {sbx.__version__}", flush=True)
    for line in sys.stdin:
        print(measure(model, args.batch_size, float(line)), flush=True)


if __name__ == "__main__":
    main()

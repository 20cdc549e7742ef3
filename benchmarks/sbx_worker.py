"""
Gradient steps per second of SBX, on request.

``update_throughput.py`` starts it in an environment that has SBX. It reads lengths of turns in
seconds from standard input, one per line, and answers each with a rate.
"""

import argparse
import os
import sys

import sbx
from stable_baselines3.common.logger import Logger

from lib.measuring import Spaces, fill, measure


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--algorithm", choices=["SAC", "CrossQ"], required=True)
    for option in ("actor", "critic"):
        parser.add_argument(f"--{option}", type=int, nargs="+", required=True, help="widths")
    for option in ("observations", "actions", "transitions", "batch-size", "gradient-steps"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    # JAX starts as many threads as the process may use cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])

    model = getattr(sbx, args.algorithm)(
        "MlpPolicy",
        Spaces((args.observations,), args.actions),
        buffer_size=args.transitions,
        policy_kwargs={"net_arch": {"pi": args.actor, "qf": args.critic}},
        seed=0,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    for _ in range(2 * model.policy_delay):
        # Compiles one program per position in the actor's delay.
        model.train(gradient_steps=args.gradient_steps, batch_size=args.batch_size)
    print(f"SBX {sbx.__version__}", flush=True)
    for line in sys.stdin:
        rate = measure(model, args.batch_size, float(line), args.gradient_steps)
        print(rate, flush=True)


if __name__ == "__main__":
    main()

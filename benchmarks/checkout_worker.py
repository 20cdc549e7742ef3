"""
Gradient steps per second of one configuration of one checkout, on request.

``compare_checkouts.py`` starts it with the interpreter of either checkout. It imports the
benchmarks that lie next to that interpreter's ``sb3_scale``, also those of versions before their
``lib`` folder. From standard input it reads a variant and the length of a turn in seconds per line,
and answers each with a rate.
"""

import argparse
import inspect
import math
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch as th

import sb3_scale
from sb3_scale.nn.critics import EnsembleCritic

BENCHMARKS = Path(sb3_scale.__file__).parents[1] / "benchmarks"

OFENET = {"name": "ofenet", "width": 128, "depth": 4, "pretraining_steps": 0}


def beside(name: str) -> Any:
    """
    :param name: of a module of the benchmarks
    :return: that of this interpreter's checkout
    """
    return import_module(f"lib.{name}" if (BENCHMARKS / "lib").is_dir() else name)


def bro(configuration: Any) -> Any:
    """
    :param configuration: another one with SAC
    :return: BRO of Nauman et al., 2024, with half of its widths
    """
    quantiles: dict[str, Any] = {"n_outputs": 100}
    if "value" in inspect.signature(EnsembleCritic.__init__).parameters:
        quantiles = {"value": {"name": "quantiles", "n_quantiles": 100}}
    networks = [{"name": "bronet", "width": width, "depth": 1} for width in (128, 256)]
    parts = {
        "actor": {"name": "optimistic", "network": networks[0], "log_std_bound": "tanh"},
        "critic": {
            "name": "ensemble",
            "network": networks[1],
            "reduction": "mean",
            **quantiles,
        },
        "loss": "quantile",
    }
    return replace(configuration, title="BRO, half width", policy_kwargs=parts, settings={})


def rows(configurations: dict[str, Any]) -> dict[str, Any]:
    """
    :param configurations: of the checkout
    :return: these, and others that both versions of it can make
    """
    sac = configurations["sac-256"]
    return {
        **configurations,
        "sac-256-ofenet": replace(sac, policy_kwargs={**sac.policy_kwargs, "extractor": OFENET}),
        "sac-256-prioritized": replace(sac, settings={"replay_buffer_class": "prioritized"}),
        "bro": bro(sac),
    }


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--row", help="of a configuration; without it their names are printed")
    parser.add_argument("--variants", nargs="+", default=[])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    sys.path[0] = str(BENCHMARKS)
    th.set_num_threads(args.threads)
    found, measuring = beside("configurations"), beside("measuring")
    known = rows(found.CONFIGURATIONS)
    if args.row is None:
        print(*known)
        return
    models = {}
    for variant in args.variants:
        settings = found.VARIANTS[variant]
        model = found.make(known[args.row], args.batch_size, args.device, **settings)
        # Compiles what is due in any step.
        cycle = math.lcm(model.policy_delay, getattr(model, "target_update_interval", 1))
        model.train(gradient_steps=2 * cycle, batch_size=args.batch_size)
        models[variant] = model
    print(sb3_scale.__file__, flush=True)
    for line in sys.stdin:
        variant, seconds = line.split()
        print(measuring.measure(models[variant], args.batch_size, float(seconds)), flush=True)


if __name__ == "__main__":
    main()

"""
Trains with random settings, of which more than half are wrong somewhere.

Each case goes through Python or through RL-Zoo's reader and must train, save, load and go on, or
end with one sentence:

    python tests/fuzz.py --seeds 0 1 2 --number 1000
    python tests/fuzz.py --seeds 1 --only 17       # one of them again, with its settings
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pprint import pformat

from fuzz_settings import Case
from fuzz_trials import Outcome
from fuzz_workers import outcomes
from rich.console import Console
from rich.progress import track

from sb3_scale.tables import make_table

ENDS = ("trained", "refused", "stopped", "fault")


def main() -> int:
    """
    :return: 1 if a case ended in anything but a training or a sentence
    """
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--number", type=int, default=1000, help="of cases per seed")
    parser.add_argument("--only", type=int, nargs="+", help="numbers of cases of each seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tell", nargs="+", choices=ENDS, default=["fault"], help="ends to print")
    args = parser.parse_args()
    numbers = [(seed, number) for seed in args.seeds for number in args.only or range(args.number)]
    console = Console(markup=False, highlight=False, soft_wrap=True)
    found = []
    running = track(
        outcomes(numbers, args.processes),
        "trials",
        total=len(numbers),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
    for one, outcome in running:
        found.append((one, outcome))
        if args.only or outcome.end in args.tell:
            console.print(told(one, outcome))
        if args.only:
            console.print(pformat(one.settings)[:3000])
    console.print(table(found))
    return int(any(outcome.end == "fault" for _, outcome in found))


def told(one: Case, outcome: Outcome) -> str:
    """
    :param one: a case
    :param outcome: how it ended
    :return: both in two lines
    """
    which = f"--seeds {one.seed} --only {one.number}: {one.algo} by {one.way} on {one.env}"
    changed = f", {one.mutation}" if one.mutation else ""
    return f"{which}{changed}\n  {outcome.end} after {outcome.seconds:.1f} s: {outcome.text}"


def table(found: Iterable[tuple[Case, Outcome]]) -> object:
    """
    :param found: cases and how they ended
    :return: counts by seed, way and mutation
    """
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for one, outcome in found:
        key = (str(one.seed), one.way, "changed" if one.mutation else "as generated")
        counts.setdefault(key, Counter())[outcome.end] += 1
    rows = [
        (*key, *(str(ends[end]) for end in ENDS), str(ends.total()))
        for key, ends in sorted(counts.items())
    ]
    total = sum(counts.values(), Counter())
    rows.append(("all", "", "", *(str(total[end]) for end in ENDS), str(total.total())))
    return make_table(("seed", "way", "settings", *ENDS, "all"), rows)


if __name__ == "__main__":
    sys.exit(main())

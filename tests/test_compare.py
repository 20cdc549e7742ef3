"""The command sb3-scale compare, on real runs of RL-Zoo and on tables of evaluations."""

import csv
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
from cli_commands import error
from compared_runs import change_run, copy_run, write_evaluations, write_table
from PIL import Image
from rich.progress import Progress

from sb3_scale.cli import main, make_parser
from sb3_scale.cli.compare import compute
from sb3_scale.compare import markup, published
from sb3_scale.compare.summary import Summary

RESULTS = Path(__file__).parents[1] / "docs" / "results"
DOG = {("ours", "dog-run", seed): [10, 20 + seed, 40 + 10 * seed] for seed in range(5)}
DOG |= {("theirs", "dog-run", seed): [5, 10, 20 + seed] for seed in range(4)}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compare(capsys, *words) -> str:
    """What the command prints, in one line."""
    assert main(["compare", *map(str, words)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return " ".join(out.split())


def computed(*words) -> tuple[Summary, str]:
    """What the command computes, and the sentences that it says, without drawing."""
    args = make_parser(["compare"]).parse_args(["compare", *map(str, words)])
    summary = compute(args, Progress(disable=True))
    return summary, " ".join(summary.notes)


def column(table: pandas.DataFrame, key: str, value: str) -> dict[str, object]:
    """One column by another."""
    return dict(zip(table[key], table[value], strict=True))


def iqms(summary: Summary) -> dict[str, float]:
    table = summary.aggregates
    return column(table[table["statistic"] == "IQM"], "label", "value")


def rows(name: str) -> list[dict[str, str]]:
    with Path("comparison", f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


class Harm:
    """What a pickle may hold."""

    def __reduce__(self):
        return Path.touch, (Path("victim"),)


class Page(HTMLParser):
    """What a page loads, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loaded, self.text, self.tags, self.ids = [], [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loaded += [value for key, value in attrs if key in ("src", "href", "srcset", "data")]
        self.ids += [value for key, value in attrs if key == "id"]

    def handle_data(self, data):
        self.text.append(data)


def test_a_table_becomes_a_page_pictures_and_tables(capsys):
    compare(capsys, write_table(Path("dog.csv"), DOG))
    page = Page(Path("comparison/index.html"))
    assert page.loaded == []
    assert "link" not in page.tags
    source = Path("comparison/index.html").read_text()
    assert "prefers-color-scheme: dark" in source
    # Names of XML and of its parts, which nobody loads.
    addresses = set(re.findall(r"https?://[^\"'\s<>]+", source))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "url(http" not in source
    assert len(page.ids) == len(set(page.ids))
    text = "".join(page.text)
    for label in ("ours", "theirs"):
        assert label in text
        assert label in Path("comparison/comparison.md").read_text()
    assert {path.name for path in Path("comparison/figures").iterdir()} == {
        *("aggregates.png", "improvement.png", "profile.png", "task-0-dog-run-steps.png")
    }
    for path in Path("comparison/figures").iterdir():
        with Image.open(path) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_figures_are_those_of_the_table():
    summary, _ = computed(write_table(Path("dog.csv"), DOG))
    last = np.array([40 + 10 * seed for seed in range(5)])
    table = summary.aggregates[summary.aggregates["label"] == "ours"]
    values = column(table, "statistic", "value")
    assert values["mean"] == pytest.approx(last.mean() / 1000)
    assert values["IQM"] == pytest.approx(last[1:4].mean() / 1000)
    assert values["optimality gap"] == pytest.approx(1 - last.mean() / 1000)
    (pair,) = summary.improvement.to_dict("records")
    assert (pair["label"], pair["than"], pair["value"]) == ("ours", "theirs", 1.0)
    task = summary.tasks.iloc[0]
    assert (task["seeds"], task["returns"]) == ("5", "40, 50, 60, 70, 80")
    assert task["std"] == pytest.approx(last.std(ddof=1))
    counts = ("env_steps", "decisions", "gradient_steps", "action_repeat", "utd")
    assert [task[name] for name in counts] == [3000, 1500, 3000, 2, 2]


def test_the_same_trainings_give_the_same_figures_also_from_the_table_that_it_wrote():
    before, _ = computed(write_table(Path("dog.csv"), DOG))
    before.evaluations().to_csv("again.csv", index=False)
    after, _ = computed("again.csv")
    pandas.testing.assert_frame_equal(before.aggregates, after.aggregates)
    pandas.testing.assert_frame_equal(before.curve_table(), after.curve_table())


def test_runs_of_rl_zoo_say_how_they_were_made(pendulum_run, capsys):
    for seed in (1, 2):
        copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed)
    told = compare(capsys, "logs", f"other={pendulum_run}", "--normalize", "Pendulum-v1=-2000,0")
    assert "0 is a return of -2000 and 1 of 0, as --normalize says" in told
    assert "One seed on a task: 'other'." in told
    first = rows("trainings")[0]
    assert (first["label"], first["task"], first["seed"]) == ("sac", "Pendulum-v1", "1")
    assert "rl_zoo3.train --algo sac --env Pendulum-v1" in first["command"]
    assert "Stable-Baselines3" in first["versions"]
    assert (first["env_steps"], first["gradient_steps"]) == ("400", "10")
    returns = np.load(pendulum_run / "evaluations.npz")["results"].mean(axis=1)
    assert float(first["last_return"]) == pytest.approx(returns[-1], abs=0.01)
    seconds = [float(one["seconds"]) for one in rows("evaluations")]
    last = float((pendulum_run / "0.monitor.csv").read_text().split()[-1].split(",")[2])
    assert seconds[1] == pytest.approx(last, abs=0.06)
    assert Path("comparison/figures/task-0-Pendulum-v1-time.png").exists()


GAMMA = "gamma is 0.9 in 'logs/sac/Pendulum-v1_1' and 0.99 in 'logs/sac/Pendulum-v1_2'"


@pytest.fixture
def unlike(pendulum_run) -> list[Path]:
    """Two runs of one algorithm on one task with another discount each."""
    runs = [copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed) for seed in (1, 2)]
    for run, gamma in zip(runs, ("0.9", "0.99"), strict=True):
        change_run(run, "gamma", gamma)
    return runs


def test_runs_of_different_settings_are_no_seeds_of_one_configuration(unlike, capsys):
    first, second = unlike
    expected = (
        f"{GAMMA}, and both are 'sac' on Pendulum-v1; allowed: one label for trainings that differ "
        "in seeds; LABEL=PATH names them"
    )
    assert error(capsys, "compare", "logs") == expected
    assert error(capsys, "compare", f"sac={first}", str(second)) == expected


def begin_with(run: Path, agent: Path) -> None:
    arguments = next(run.glob("*/args.yml"))
    text = re.sub(r"(- trained_agent\n +- ).*", rf"\g<1>{agent}", arguments.read_text())
    assert str(agent) in text
    arguments.write_text(text)


def go_on(run: Path, earlier: Path) -> None:
    begin_with(run, earlier / "Pendulum-v1.zip")
    header = '#{"t_start": 0, "decisions": 0}\n'
    (run / "before.monitor.csv").write_text(f"{header}r,l,t,finished_at\n0,1,1,1\n")


def test_a_run_that_goes_on_is_no_other_seed(pendulum_run):
    first, second, third = (
        copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed) for seed in (1, 2, 3)
    )
    for run, earlier in ((second, first), (third, second)):
        go_on(run, Path("elsewhere") / earlier)
    summary, told = computed("logs")
    assert [(one.seed, one.origin.source) for one in summary.field.trainings] == [(1, str(third))]
    assert set(summary.field.trainings[0].table["seed"]) == {1}
    for run, later in ((first, second), (second, third)):
        assert f"'{run}' goes on in '{later}', and is left out" in told


def test_of_two_runs_that_go_on_from_one_the_longer_counts(pendulum_run):
    first, dead, last = (
        copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{number}"), 1) for number in (1, 2, 3)
    )
    write_evaluations(dead / "evaluations.npz", [-900.0])
    for run in (dead, last):
        go_on(run, first)
    summary, told = computed("logs")
    assert [(one.seed, one.origin.source) for one in summary.field.trainings] == [(1, str(last))]
    for run in (first, dead):
        assert f"'{run}' goes on in '{last}', and is left out" in told


def test_a_run_beside_one_that_goes_on_from_elsewhere_stays(pendulum_run):
    elsewhere = copy_run(pendulum_run, Path("before/sac/Pendulum-v1_1"), 1)
    other, later = (
        copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{number}"), seed)
        for number, seed in ((1, 5), (2, 7))
    )
    go_on(later, elsewhere)
    write_evaluations(other / "evaluations.npz", [-900.0, -800.0])
    summary, told = computed("logs")
    assert [one.seed for one in summary.field.trainings] == [5, 7]
    assert "goes on in" not in told
    summary, told = computed("before", "logs")
    assert sorted(one.seed for one in summary.field.trainings) == [1, 5]
    assert f"'{elsewhere}' goes on in '{later}', and is left out" in told
    # In a copy of both, the run in its place is that one.
    shutil.copy(elsewhere / "evaluations.npz", other)
    summary, told = computed("logs")
    assert [one.seed for one in summary.field.trainings] == [5]
    assert f"'{other}' goes on in '{later}', and is left out" in told


def test_a_run_of_other_settings_is_none_that_was_gone_on_from(unlike):
    first, second = unlike
    go_on(second, Path("gone") / first)
    summary, told = computed(f"one={first}", f"two={second}")
    assert [one.seed for one in summary.field.trainings] == [1, 2]
    assert "goes on in" not in told


def test_a_run_that_began_with_a_trained_agent_is_no_seed_of_others(pendulum_run, capsys):
    first, second = (
        copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed) for seed in (1, 2)
    )
    begin_with(second, first / "Pendulum-v1.zip")
    assert f"trained_agent is not set in '{first}' and '{first}" in error(capsys, "compare", "logs")


def test_a_label_that_the_user_gave_stays_with_a_remark(unlike):
    first, second = unlike
    _, told = computed(f"one={first}", f"one={second}")
    assert f"'one' on Pendulum-v1 has trainings of different settings: {GAMMA}." in told
    _, told = computed(f"one={first}", f"two={second}")
    assert "different settings" not in told


def test_sweeps_of_different_settings_are_never_refused(unlike):
    for seed, folder in enumerate(unlike, 1):
        sweep = Path(f"sweep-{seed}")
        sweep.mkdir()
        folder.rename(sweep / "run")
        line = f"8,sac,Pendulum-v1,{seed},,run"
        (sweep / "results.csv").write_text(f"width,algo,env,seed,error,folder\n{line}\n")
    summary, told = computed("sweep-1", "sweep-2")
    assert summary.field.labels == ("8",)
    assert "'8' on Pendulum-v1 has trainings of different settings: gamma is 0.9 in" in told


ALIKE = {
    "what is written": ("monitor_kwargs", "{}"),
    "where it runs": ("device", "cpu"),
    "what is logged": ("callback", "[csv-logger, {name: weight-norm, every: 7}]"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_settings_without_a_part_in_the_training_may_differ(pendulum_run, name):
    runs = [copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed) for seed in (1, 2)]
    change_run(runs[0], *ALIKE[name])
    assert computed("logs")[0].field.labels == ("sac",)


UNLIKE = {
    "a part": (
        ("collector", "{name: overlapped, acting_device: cpu}"),
        "collector is {'name': 'overlapped', 'acting_device': 'cpu'} in ",
    ),
    "a value in one of both": (("tau", "0.1"), "tau is 0.1 in "),
    "a callback that acts": (
        ("callback", "[csv-logger, mine.Resets]"), "callback is ['mine.Resets'] in "
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNLIKE)
def test_settings_with_a_part_in_the_training_may_not(pendulum_run, capsys, name):
    runs = [copy_run(pendulum_run, Path(f"logs/sac/Pendulum-v1_{seed}"), seed) for seed in (1, 2)]
    setting, expected = UNLIKE[name]
    change_run(runs[0], *setting)
    assert error(capsys, "compare", "logs").startswith(expected)


def test_small_returns_are_compared_as_they_are(pendulum_run, capsys):
    small = ("other", [0.0, 0.0149]), ("sac", [0.002, 0.012])
    for seed, (name, returns) in enumerate(small):
        copy_run(pendulum_run, Path(name), seed, returns)
    summary, told = computed("a=sac", "b=other")
    assert "0 is a return of 0 and 1 of 0.0149" in told
    assert iqms(summary) == pytest.approx({"a": 0.012 / 0.0149, "b": 1.0})
    table = markup.task(summary, "Pendulum-v1")
    assert [row[2] for row in table.rows] == ["0.0120", "0.0149"]
    assert [row[3] for row in markup.runs(summary).rows] == ["0.0120", "0.0149"]
    compare(capsys, "a=sac", "b=other")
    assert [row["mean"] for row in rows("evaluations")] == ["0.002", "0.012", "0", "0.0149"]


@pytest.mark.parametrize(
    ("returns", "told"),
    [([0.94, 0.88], ["0.940", "0.880"]), ([9.51, 12.0], ["9.5", "12.0"]),
     ([-1234.56, 3.0], ["-1,234.6", "3.0"])],
)  # fmt: skip
def test_tables_have_the_digits_that_tell_returns_apart(returns, told):
    curves = {(label, "dog-run", 0): [value] for label, value in zip("ab", returns, strict=True)}
    summary, _ = computed(write_table(Path("dog.csv"), curves))
    assert [row[2] for row in markup.task(summary, "dog-run").rows] == told


@pytest.mark.parametrize("collector", ["inline", "{name: ray, updates_per_decision: [0.1, 1]}"])
def test_nobody_counts_gradient_steps_of_a_learner_that_does_not_take_turns(
    pendulum_run, collector
):
    change_run(copy_run(pendulum_run, Path("run"), 1), "collector", collector)
    change_run(copy_run(pendulum_run, Path("turns"), 1), "collector", "overlapped")
    summary, _ = computed("a=run", "b=turns")
    assert summary.runs["gradient_steps"].isna().tolist() == [True, False]
    assert summary.runs["utd"].isna().tolist() == [True, False]
    first = markup.task(summary, "Pendulum-v1").rows[0]
    assert first[5:] == ["400", "400", "", "1", ""]


def test_a_sweep_has_the_labels_of_its_axes_and_tells_what_failed(pendulum_run, capsys):
    fields = ("width", "algo", "env", "error", "commit", "folder")
    lines = [
        ("8", "sac", "Pendulum-v1", "", "abc1", "runs/a/Pendulum-v1_1"),
        ("16", "sac", "Pendulum-v1", "", "abc1", "runs/b/Pendulum-v1_1"),
        ("32", "sac", "Pendulum-v1", "out of order", "abc1", "runs/c/Pendulum-v1_1"),
    ]
    Path("grid").mkdir()
    with Path("grid/results.csv").open("w", newline="") as file:
        csv.writer(file).writerows([fields, *lines])
    Path("grid/results.md").write_text(
        "Command: `sb3-scale sweep g.yml`. Commit of the working folder: v1.0.2-3-gabc1. "
        "A fast one, 8 cores, 16 GiB; Python 3.12, torch 2.\n"
    )
    for name, seed in (("a", 3), ("b", 4)):
        copy_run(pendulum_run, Path(f"grid/runs/{name}/Pendulum-v1_1"), seed)
    summary, told = computed("grid")
    assert "1 of 3 trainings of 'grid/results.csv' failed; left out" in told
    hardware = "A fast one, 8 cores, 16 GiB"
    found = summary.runs[["label", "commit", "hardware"]].to_numpy().tolist()
    assert found == [["8", "abc1", hardware], ["16", "abc1", hardware]]

    text = Path("grid/results.csv").read_text()
    Path("grid/results.csv").write_text(text.replace("runs/b/Pendulum-v1_1", "../elsewhere"))
    told = error(capsys, "compare", "grid")
    assert told.startswith("'grid/results.csv' names the folder '../elsewhere', which is not there")


def test_a_folder_of_strangers_runs_nothing(pendulum_run, tmp_path, capsys):
    folder = copy_run(pendulum_run, Path("stranger"), 5)
    victim = tmp_path / "victim"
    for name in ("args.yml", "config.yml"):
        path = next(folder.glob(f"*/{name}"))
        harm = f"harm: !!python/object/apply:pathlib.Path.touch [{victim}]\n"
        path.write_text(f"{harm}algo: sac\nenv: Pendulum-v1\nseed: 5\n")
    computed(f"stranger={folder}", f"ours={pendulum_run}")
    assert not victim.exists()
    np.savez(folder / "evaluations.npz", timesteps=[1], results=np.array([[Harm()]]))
    assert "cannot be read" in error(capsys, "compare", str(folder))


def test_labels_of_strangers_stay_text(capsys):
    label = "<script>alert(1)</script> $x_1$ _ \N{DIZZY SYMBOL}"
    curves = {("_hidden", "dog-run", 0): [1, 2], (label, "dog-run", 0): [2, 3]}
    compare(capsys, write_table(Path("odd.csv"), curves))
    source = Path("comparison/index.html").read_text()
    assert source.count("<script") == 1
    text = "".join(Page(Path("comparison/index.html")).text)
    assert label in text
    assert "_hidden" in text


def test_unequal_lengths_are_compared_where_the_shortest_ends():
    curves = {("long", "dog-run", seed): [10, 20, 90, 95] for seed in (0, 1)}
    curves |= {("short", "dog-run", 0): [10, 30], ("short", "dog-run", 1): [10, 30, 40]}
    summary, told = computed(write_table(Path("dog.csv"), curves))
    assert (
        "dog-run: lengths differ; compared at 2,000 environment steps, where 'short, seed 0' ends; "
        "the longest training has 4,000." in told
    )
    expected = {"long": "20, 20", "short": "30, 30"}
    assert column(summary.tasks, "label", "returns") == expected
    summary, told = computed("dog.csv", "--at", "1500")
    assert "compared at 1,500 environment steps, as --at says" in told
    assert "trainings of 'long', 'short' have no evaluation at 1,500 environment steps" in told
    assert column(summary.tasks, "label", "returns") == {"long": "15, 15", "short": "20, 20"}


def test_one_seed_has_no_interval():
    curves = {("a", "dog-run", 0): [1, 2], ("b", "dog-run", 0): [2, 3]}
    summary, told = computed(write_table(Path("dog.csv"), curves))
    assert "One seed on a task: 'a', 'b'. One seed says nothing of the spread" in told
    tables = (summary.aggregates, summary.improvement, summary.profile, summary.curve_table())
    for table in tables:
        assert table[["low", "high"]].isna().to_numpy().all()


def test_only_tasks_that_all_have_are_aggregated():
    curves = {("a", "dog-run", seed): [100, 200] for seed in range(2)}
    curves |= {("a", "dog-walk", seed): [800, 900] for seed in range(2)}
    curves |= {("b", "dog-run", seed): [300, 400] for seed in range(2)}
    summary, told = computed(write_table(Path("dog.csv"), curves))
    assert "dog-walk is left out of what aggregates tasks; without it: 'b'." in told
    assert iqms(summary) == {"a": 0.2, "b": 0.4}
    assert set(summary.tasks["task"]) == {"dog-run", "dog-walk"}
    summary, _ = computed("dog.csv", "--label", "a")
    assert list(summary.aggregates["tasks"]) == [2] * 4


def test_other_tasks_are_normalised_by_what_is_there_and_it_says_so():
    curves = {(label, "Ant-v5", 0): [-50, at] for label, at in (("a", 150), ("b", 50))}
    summary, told = computed(write_table(Path("ant.csv"), curves))
    assert "Ant-v5: 0 is a return of -50 and 1 of 150, the least and the greatest" in told
    assert iqms(summary) == {"a": 1.0, "b": 0.5}
    summary, _ = computed("ant.csv", "--normalize", "Ant-v5=-50,350")
    assert iqms(summary) == {"a": 0.5, "b": 0.25}


def test_tasks_of_the_control_suite_go_from_0_to_1000():
    curves = {("a", f"cartpole-swingup{end}", 0): [100, 300] for end in ("", "-pixels", "-v0")}
    summary, told = computed(write_table(Path("cartpole.csv"), curves))
    assert "the least and the greatest" not in told
    assert iqms(summary) == {"a": 0.3}


def test_published_curves_stand_beside(capsys):
    compare(capsys, RESULTS / "dog-run.csv", RESULTS / "published.csv", "--show", "XQC", "SimBa")
    theirs = [one for one in rows("tasks") if one["published"] == "True"]
    assert {one["label"]: one["seeds"] for one in theirs} == {"XQC": "10", "SimBa": "15"}
    text = "".join(Page(Path("comparison/index.html")).text)
    assert "XQC, published" in text
    assert "SimbaV2" not in text


def test_published_curves_come_with_the_package(capsys):
    compare(capsys, RESULTS / "dog-run.csv", "--show", "XQC", "SimBa")
    theirs = {
        one["label"]: float(one["mean"]) for one in rows("tasks") if one["published"] == "True"
    }
    assert {name: round(mean) for name, mean in theirs.items()} == {"XQC": 118, "SimBa": 95}
    compare(capsys, RESULTS / "dog-run.csv")
    assert not [one for one in rows("tasks") if one["published"] == "True"]


def test_published_figures_from_pixels_are_not_those_from_states():
    figures = published.collected()
    tasks = ("cartpole-swingup", "cartpole-swingup-pixels")
    of_drq = figures[(figures["algorithm"] == "DrQ") & figures["env"].isin(tasks)]
    at = of_drq.set_index("env_steps")["mean"]
    assert set(of_drq["env"]) == {"cartpole-swingup-pixels"}
    assert (at[48_000], at[96_000]) == (359.88, 759.37)
    of_xqc = figures[figures["algorithm"] == "XQC"].set_index(["env", "env_steps"])["mean"]
    assert round(of_xqc["dog-run", 100_000]) == 118
    assert not figures.duplicated(["env", "algorithm", "env_steps"]).any()


def test_tasks_may_have_different_numbers_of_seeds():
    tables = [RESULTS / f"dog-{one}.csv" for one in ("run", "stand")]
    summary, told = computed(*tables, "--label", "CrossQ+WN")
    assert set(summary.aggregates["seeds"]) == {"1 to 4"}
    assert "One seed on a task: 'CrossQ+WN'." in told


def table_with(**columns: str) -> str:
    """One line of a table, some of whose fields are wrong."""
    line = {"task": "t", "label": "a", "seed": "0", "utd": "", "action_repeat": "1"}
    line |= {"decisions": "10", "env_steps": "10", "gradient_steps": "", "episodes": "1"}
    line |= {"mean": "1", "std": "0", **columns}
    return f"{','.join(line)}\n{','.join(line.values())}\n"


WRONG = {
    "no number": (
        table_with(mean="much"),
        "line 2: mean is 'much'; allowed: a number up to 1e+100",
    ),
    "infinite": (table_with(mean="inf"), "line 2: mean is 'inf'; allowed: a number up to 1e+100"),
    "no label": (table_with(label=""), "line 2: label is empty; allowed: a name"),
    "half a seed": (table_with(seed="0.5"), "line 2: seed is 0.5; allowed: a whole number"),
    "before the start": (table_with(env_steps="-1"), "env_steps is -1; allowed: a whole number"),
    "nothing": ("", "cannot be read as CSV"),
    "a header alone": ("task,label\n", "has no line below its header"),
    "other columns": ("a,b\n1,2\n", "has no column task, label, seed, utd"),
    "bytes": ("\0\1\2", "has no line below its header"),
    "published without means": ("env,algorithm,env_steps\na,b,1\n", "has no column mean"),
    "published alone": ("env,algorithm,env_steps,mean\na,b,1,2\n", "there is no training"),
    "an evaluation twice": (
        table_with() + table_with().splitlines()[1] + "\n",
        "has two evaluations of 'a', seed 0, on t at 10 environment steps; allowed: one",
    ),
    "one return": (table_with(), "which gives no range to normalise with"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_table_that_cannot_be_compared_is_one_sentence(capsys, name):
    text, expected = WRONG[name]
    Path("table.csv").write_text(text)
    assert expected in error(capsys, "compare", "table.csv")
    assert not Path("comparison").exists()


OPTIONS = {
    "a label that is not there": (
        ["--label", "our"],
        "there is no label 'our'; allowed: ours, theirs; did you mean 'ours'?",
    ),
    "a range without numbers": (
        ["--normalize", "dog-run=low"],
        "--normalize has 'dog-run=low'; allowed: TASK=LOW,HIGH, two numbers",
    ),
    "a range upside down": (["--normalize", "dog-run=1,0"], "the second is the greater"),
    "a range of another task": (
        ["--normalize", "dog-rum=0,1"],
        "--normalize has no task 'dog-rum'; allowed: dog-run; did you mean 'dog-run'?",
    ),
    "an algorithm that nobody published": (
        ["--published", str(RESULTS / "published.csv"), "--show", "XQX"],
        "no published figures of 'XQX' for dog-run; allowed: ",
    ),
    "an algorithm that nobody published, of those that come with the package": (
        ["--show", "SimbaV3"],
        "no published figures of 'SimbaV3' for dog-run; allowed: ",
    ),
    "an algorithm that was published for other tasks": (
        ["--show", "DroQ"],
        "no published figures of 'DroQ' for dog-run; there are for Ant-v4, HalfCheetah-v4, ",
    ),
    "a path that is not there": (
        ["dig.csv"],
        "no file or folder 'dig.csv'; did you mean 'dog.csv'?",
    ),
    "the same twice": (["dog.csv"], "two trainings are 'ours, seed 0' on dog-run: "),
    "an output that is a file": (
        ["--output", "dog.csv"],
        "folder 'dog.csv/figures' cannot be made",
    ),
    "more steps than there are": (
        ["--at", "3001"],
        "--at is 3,001; allowed: 1,000 to 3,000, which all trainings on dog-run have",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_wrong_option_is_one_sentence(capsys, name):
    words, expected = OPTIONS[name]
    write_table(Path("dog.csv"), DOG)
    assert expected in error(capsys, "compare", "dog.csv", *words)


def test_tasks_that_do_not_overlap_are_refused(capsys):
    write_table(Path("one.csv"), {("a", "dog-run", 0): [1, 2]})
    write_table(Path("two.csv"), {("b", "dog-walk", 0): [1, 2]})
    assert error(capsys, "compare", "one.csv", "two.csv") == (
        "no task is common to all labels: 'a' has dog-run; 'b' has dog-walk; choose with --label "
        "those that share one"
    )


def test_folders_without_evaluations_are_one_sentence(pendulum_run, capsys):
    Path("empty").mkdir()
    told = error(capsys, "compare", "empty")
    assert told.startswith("'empty' has no run of RL-Zoo and no results.csv of a sweep; allowed: ")
    run = copy_run(pendulum_run, Path("logs/sac/Pendulum-v1_1"), 1)
    (run / "evaluations.npz").unlink()
    assert error(capsys, "compare", str(run)) == f"'{run}' has no evaluation"
    told = error(capsys, "compare", "logs")
    assert told == "no run in 'logs' has an evaluation; train with RL-Zoo's --eval-freq"
    copy_run(pendulum_run, Path("logs/sac/Pendulum-v1_2"), 2)
    assert f"'{run}' has no evaluation, and is left out" in computed("logs")[1]
    write_evaluations(run / "evaluations.npz", [1.0, np.nan])
    assert "has a return that is no number up to 1e+100" in error(capsys, "compare", "logs")

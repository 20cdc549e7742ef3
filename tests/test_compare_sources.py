"""Where sb3-scale compare finds trainings, and the files that it leaves alone."""

from pathlib import Path

import pytest
from cli_commands import error
from compared_runs import write_table
from rich.progress import Progress
from written_runs import write_run

from sb3_scale.cli import main, make_parser
from sb3_scale.cli.compare import compute
from sb3_scale.compare.summary import Summary
from sb3_scale.compare.texts import read_csv

PUBLISHED = "env,algorithm,env_steps,mean\ndog-run,SAC,1000,3\n"
TWO = {("ours", "dog-run", 0): [10, 20], ("theirs", "dog-run", 0): [5, 10]}
LINE = "sac,Pendulum-v1,{seed},,{folder}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def computed(*words) -> Summary:
    args = make_parser(["compare"]).parse_args(["compare", *map(str, words)])
    return compute(args, Progress(disable=True))


def seeds(*words) -> list[int]:
    return sorted(one.seed for one in computed(*words).field.trainings)


def write_sweep(folder: Path, *runs: str) -> None:
    lines = [LINE.format(seed=seed, folder=run) for seed, run in enumerate(runs)]
    (folder / "results.csv").write_text(f"algo,env,seed,error,folder\n{''.join(lines)}")


def test_links_to_runs_are_followed(tmp_path):
    write_run(Path("disk/Pendulum-v1_1"), 1)
    write_run(Path("logs/sac/Pendulum-v1_2"), 2)
    Path("logs/sac/Pendulum-v1_1").symlink_to(tmp_path / "disk" / "Pendulum-v1_1")
    assert seeds("logs") == [1, 2]
    Path("linked").mkdir()
    Path("linked/sac").symlink_to(tmp_path / "logs" / "sac")
    assert seeds("linked") == [1, 2]


def test_a_run_that_two_links_lead_to_counts_once_and_circles_end(tmp_path):
    write_run(Path("logs/sac/Pendulum-v1_1"), 1)
    Path("logs/again").symlink_to(tmp_path / "logs" / "sac")
    Path("logs/sac/all").symlink_to(tmp_path / "logs")
    Path("logs/nowhere").symlink_to(tmp_path / "nowhere")
    assert seeds("logs") == [1]


def test_runs_of_a_sweep_may_be_on_another_disk(tmp_path, capsys):
    for seed in (0, 1):
        write_run(Path(f"disk/{seed}"), seed)
    Path("all/grid").mkdir(parents=True)
    Path("all/grid/runs").symlink_to(tmp_path / "disk")
    # A run of the sweep is none beside it.
    Path("all/a-run").symlink_to(tmp_path / "disk" / "0")
    write_sweep(Path("all/grid"), "runs/0", "runs/1")
    assert seeds("all/grid") == seeds("all") == [0, 1]
    for outside in ("runs/../../../disk/1", tmp_path / "disk" / "1", "runs/2"):
        write_sweep(Path("all/grid"), "runs/0", outside)
        assert error(capsys, "compare", "all/grid") == (
            f"'all/grid/results.csv' names the folder '{outside}', which is not there; allowed: "
            "folders in that of the sweep"
        )


def test_square_brackets_in_a_path_are_no_pattern():
    write_run(Path("logs [old]/sac/Pendulum-v1_1"), 1)
    assert seeds("logs [old]") == [1]


LINES = {
    "a field more": (
        "env,algorithm,env_steps,mean\nHopper-v4,SAC,150,3,0.4\n",
        "'table.csv', line 2 has 5 fields, and the header 4; allowed: as many as the header; "
        "quotes keep a comma within a field",
    ),
    "a field more below": ("a,b\n1,2\n1,2,3\n", "'table.csv', line 3 has 3 fields, and the head"),
    "a column twice": (
        "task,mean,mean\nt,1,2\n",
        "'table.csv' has the column 'mean' twice; allowed: once",
    ),
    "an open quote": ('a,b\n"1,2\n', "'table.csv' cannot be read as CSV: unexpected end of data"),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_that_do_not_fit_the_header_are_one_sentence(name, capsys):
    text, expected = LINES[name]
    Path("table.csv").write_text(text)
    assert error(capsys, "compare", "table.csv").startswith(expected)


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2,\n3,,\n", "a,b,\n1,2,\n3,,\n", "a,b\n1,2\n\n3\n", '\ufeffa,b\r\n"1",2\r\n3,\r\n'],
)
def test_a_comma_at_the_end_of_a_line_and_a_field_less_change_nothing(text):
    Path("table.csv").write_text(text, encoding="utf-8")
    assert read_csv(Path("table.csv"))[["a", "b"]].to_numpy().tolist() == [["1", "2"], ["3", ""]]


def test_a_comma_at_the_end_of_each_line_of_evaluations_is_read():
    text = write_table(Path("dog.csv"), TWO).read_text()
    head, *lines = text.splitlines()
    Path("commas.csv").write_text("\n".join([head, *(f"{line}," for line in lines)]))
    assert computed("commas.csv").aggregates.equals(computed("dog.csv").aggregates)


def test_published_figures_are_no_training(capsys):
    write_table(Path("dog.csv"), {("ours", "dog-run", 0): [10, 20]})
    write_table(Path("theirs.csv"), {("theirs", "dog-run", 0): [5, 10]})
    assert error(capsys, "compare", "dog.csv", "--published", "theirs.csv") == (
        "'theirs.csv' has no column env, algorithm; published figures have env, algorithm, "
        "env_steps, mean"
    )
    assert error(capsys, "compare", "dog.csv", "--published", "their.csv") == (
        "there is no file or folder 'their.csv'; did you mean 'theirs.csv'?"
    )
    assert "cannot be read as CSV: " in error(capsys, "compare", "dog.csv", "--published", ".")
    Path("published.csv").write_text(PUBLISHED)
    summary = computed("dog.csv", "--published", "published.csv")
    assert summary.field.labels == ("ours",)
    assert list(summary.published["algorithm"]) == ["SAC"]


@pytest.mark.parametrize("word", ["out/evaluations.csv", "x=out/evaluations.csv", "link.csv"])
def test_a_table_that_is_read_is_not_replaced(word, capsys):
    Path("out").mkdir()
    path = write_table(Path("out/evaluations.csv"), TWO)
    Path("link.csv").symlink_to(path)
    before = path.read_text()
    for words in ([word, "--label", "ours"], ["dog.csv", "--published", "out/evaluations.csv"]):
        write_table(Path("dog.csv"), TWO)
        assert error(capsys, "compare", *words, "--output", "out") == (
            "would replace 'out/evaluations.csv', which it reads; allowed: another --output"
        )
    assert path.read_text() == before
    assert [one.name for one in Path("out").iterdir()] == ["evaluations.csv"]


@pytest.mark.parametrize("name", ["tasks.csv", "index.html", "figures/profile.png"])
def test_a_folder_where_a_file_shall_be_is_one_sentence(name, capsys):
    write_table(Path("dog.csv"), TWO)
    Path("comparison", name).mkdir(parents=True)
    assert error(capsys, "compare", "dog.csv") == (
        f"'comparison/{name}' cannot be written: it is a folder; allowed: a file"
    )
    assert [one for one in Path("comparison").rglob("*") if one.is_file()] == []


def test_the_command_reads_what_it_wrote_elsewhere(capsys):
    write_table(Path("dog.csv"), TWO)
    assert main(["compare", "dog.csv"]) == 0
    assert main(["compare", "comparison/evaluations.csv", "--output", "other"]) == 0
    assert Path("other/index.html").exists()
    capsys.readouterr()

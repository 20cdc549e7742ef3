"""Callbacks by name, and the CSV file."""

from pathlib import Path

import pandas
import pytest
from rl_zoo3.callbacks import ParallelTrainCallback
from rl_zoo3.utils import get_callback_list
from small_models import make
from stable_baselines3.common.callbacks import CallbackList, CheckpointCallback

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.callbacks import CSVLogger
from sb3_scale.testing import check_component
from sb3_scale.zoo.callbacks import for_zoo


def test_names_become_what_rl_zoo_imports(tmp_path: Path) -> None:
    theirs = {"stable_baselines3.common.callbacks.CheckpointCallback": {
        "save_freq": 10, "save_path": str(tmp_path),
    }}  # fmt: skip
    entries = for_zoo(["csv-logger", {"name": "csv-logger", "file": "mine.csv"}, theirs], "run")
    first, second, third = get_callback_list({"callback": entries})
    assert isinstance(first, CSVLogger)
    assert isinstance(second, CSVLogger)
    assert isinstance(third, CheckpointCallback)
    assert (first.folder, first.file) == ("run", "progress.csv")
    assert (second.folder, second.file) == ("run", "mine.csv")


def test_no_callback() -> None:
    assert for_zoo(None, "run") == []


def test_one_name_needs_no_list() -> None:
    (callback,) = get_callback_list({"callback": for_zoo("csv-logger", "run")})
    assert isinstance(callback, CSVLogger)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("csv-loger", "did you mean 'csv-logger'?"),
        ([{"name": "csv-logger", "fil": "x"}], "callback 'csv-logger' has no parameter 'fil'"),
        ([{"name": "csv-logger", "file": 3}], "callback 'csv-logger': file is 3 (int)"),
    ],
)
def test_mistakes(given: object, sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        for_zoo(given, "run")
    assert sentence in str(raised.value)


def test_a_training_that_did_not_start_can_be_ended() -> None:
    callback = CSVLogger()
    callback.init_callback(make(SAC))
    callback.on_training_end()


def test_csv_has_the_logged_figures_and_keeps_older_files(tmp_path: Path) -> None:
    model = make(SAC)
    for _ in range(2):
        model.learn(400, callback=CSVLogger(str(tmp_path)), log_interval=1)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["progress.csv", "progress_2.csv"]
    table = pandas.read_csv(tmp_path / "progress.csv")
    assert table["time/total_timesteps"].tolist() == [200, 400]
    assert table["train/critic_loss"].gt(0).all()


def test_contract() -> None:
    check_component("callback", "csv-logger")


def test_the_callback_that_trains_a_copy_is_refused_before_it_makes_one() -> None:
    callback = ParallelTrainCallback()
    for given in (callback, [callback], CallbackList([CallbackList([callback])])):
        with pytest.raises(Sb3ScaleError, match="does not know ScalePolicy; allowed: collector: o"):
            make(SAC).learn(10, callback=given)

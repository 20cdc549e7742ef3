"""What the benchmarks count and compute; their times are no subject of a test."""

import csv
import math
import shutil
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
import yaml
import zoo_commands
from small_models import make as make_small
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from written_runs import write_run

import learning_curves
from cost_growth import power_law
from diagnostic_curves import measurements
from final_policies import environment
from lib.configurations import ACTIONS, CONFIGURATIONS, OBSERVATIONS, make
from lib.counting import count, working_set
from lib.leanrl_style import GAMMA, LEARNING_RATE, LeanSAC
from lib.least_times import update_limit
from lib.machine import Machine
from lib.reporting import one_each
from sb3_scale import SAC, register_envs
from sb3_scale.compare.evaluations import gradient_steps_per_decision
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.nn.linear import linear_layers
from sb3_scale.recipes.costs import FlopCounter
from sb3_scale.runs import read_run

BATCH = 64
PROGRAMS = Path(__file__).parents[1] / "benchmarks"


def run(folder: Path, program: str, *options: str) -> str:
    done = zoo_commands.run(folder, str(PROGRAMS / f"{program}.py"), *options, COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_count_by_hand():
    """SAC, dog, actor 256, two critics 512, batch 64."""
    model = make(CONFIGURATIONS["sac-256-512"], BATCH)
    actor = 223 * 256 + 256 * 256 + 256 * 76
    critic = 2 * (261 * 512 + 512 * 512 + 512)
    products = {
        "actor at s'": actor,
        "critic": critic,
        "target": critic,
        "critic: weight gradients": critic,
        "critic: input gradients": critic - 2 * 261 * 512,
        "actor at s": actor,
        "critic: action gradient": critic - 2 * 223 * 512,
        "actor: weight gradients": actor,
        "actor: input gradients": actor - 223 * 256,
    }
    parts = count(model, BATCH)
    assert {part.name: part.flops for part in parts if part.flops} == {
        name: 2 * 64 * multiplications for name, multiplications in products.items()
    }

    biases = {"actor": 256 + 256 + 76, "critic": 2 * (512 + 512 + 1)}
    sizes = {"actor": 4 * (actor + biases["actor"]), "critic": 4 * (critic + biases["critic"])}
    moved = {part.name: part.parameter_bytes for part in parts}
    assert moved["critic: Adam"] == 7 * sizes["critic"]
    assert moved["actor: Adam"] == 7 * sizes["actor"]
    assert moved["target: average"] == 3 * sizes["critic"]
    assert working_set(model) == 4 * sizes["actor"] + 5 * sizes["critic"]

    flops = 2 * 64 * (sum(products.values()) + critic)  # the critic's pass for the actor
    slow = Machine(model.device, 1e6, 0, math.inf, math.inf)
    assert update_limit(model, BATCH, slow) == pytest.approx(flops / 1e6)
    starved = Machine(model.device, math.inf, 0, math.inf, 1e6)
    moved_bytes = sum(part.parameter_bytes + part.activation_bytes for part in parts)
    assert update_limit(model, BATCH, starved) == pytest.approx(moved_bytes / 1e6)


@pytest.mark.parametrize(
    "name", ["sac-256", "crossq", "crossq-wn", "modern2", "xqc", "simbav2", "flashsac-512"]
)
def test_count_equals_that_of_pytorch(name):
    """Autograd alone computes more: the gradient by the features in the actor's step."""
    model = make(CONFIGURATIONS[name], BATCH)
    cycle = math.lcm(model.policy_delay, getattr(model, "target_update_interval", 1))
    model.train(gradient_steps=1, batch_size=BATCH)  # the probe of exact_fast_matmul computes too
    with FlopCounter() as counter:
        model.train(gradient_steps=cycle, batch_size=BATCH)
    first = linear_layers(model.policy.critic)[0]
    unread = 2 * first.n_members * BATCH * (first.in_features - ACTIONS) * first.out_features
    unread *= cycle / model.policy_delay
    counted = cycle * sum(part.share * part.flops for part in count(model, BATCH))
    assert counter.flops - unread == pytest.approx(counted, rel=1e-12)


def test_count_leaves_the_statistics_alone():
    model = make(CONFIGURATIONS["crossq-wn"], BATCH)
    before = {name: value.clone() for name, value in model.policy.named_buffers()}
    count(model, BATCH)
    for name, value in model.policy.named_buffers():
        assert torch.equal(value, before[name]), name


def test_power_law():
    exponent, factor = power_law([1, 2, 4], [3.0, 12.0, 48.0])
    assert exponent == pytest.approx(2)
    assert factor == pytest.approx(3)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_envs": 3, "train_freq": 2, "gradient_steps": 4},
        {"n_envs": 4, "gradient_steps": -1},
        {"train_freq": 4, "gradient_steps": 2},
    ],
)
def test_gradient_steps_are_those_that_were_taken(settings):
    arguments = {key: value for key, value in settings.items() if key != "n_envs"}
    envs = make_vec_env("Pendulum-v1", settings.get("n_envs", 1))
    model = make_small(SAC, envs, learning_starts=24, **arguments)
    model.learn(24 + 96)
    expected = gradient_steps_per_decision("sac", settings) * (model.num_timesteps - 24)
    assert model._n_updates == expected


def test_runs_that_cannot_be_drawn():
    different = [{"label": "SAC", "seed": 0}, {"label": "SAC", "seed": 1}]
    one_each(different)
    with pytest.raises(Sb3ScaleError, match="two runs have label 'SAC', seed 1; allowed: one"):
        one_each([*different, {"label": "SAC", "seed": 1}])


def test_gradient_steps_are_counted_where_decisions_count_them():
    assert gradient_steps_per_decision("sac", {"train_freq": [2, "step"]}) == 0.5
    assert np.isnan(gradient_steps_per_decision("td3", {"train_freq": [1, "episode"]}))
    assert np.isnan(gradient_steps_per_decision("ppo", {"n_steps": 8}))


@pytest.mark.parametrize(
    ("algo", "steps"), [("dqn", 0.25), ("qrdqn", 0.25), ("sac", 1.0), ("td2", 1.0), ("no", 1.0)]
)
def test_what_settings_leave_out_is_the_default_of_the_algorithm(algo, steps):
    assert gradient_steps_per_decision(algo, {}) == steps
    assert gradient_steps_per_decision(algo, {"train_freq": 2, "gradient_steps": 4}) == 2


def test_more_published_algorithms_than_markers(monkeypatch, capsys):
    shown = ["SAC", "XQC", "SimBa", "SimbaV2", "MR.Q", "DR.Q"]
    words = ["learning_curves", "--output", "curves", "--run", "a=.", "--show", *shown]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        learning_curves.main()
    assert "6 published algorithms; allowed: up to 5" in capsys.readouterr().err


def test_what_a_training_logged(tmp_path):
    with pytest.raises(Sb3ScaleError, match=r"has no progress.csv; train with"):
        measurements("SAC", 0, tmp_path, ["loss"])
    lines = ["time/total_timesteps,loss,pretraining/step,pretraining/loss"]
    lines += [",,1000,9", ",,2000,3", "10,5,,", "20,,,", "20,4,,", "20,2,,"]
    (tmp_path / "progress.csv").write_text("\n".join(lines))
    found = measurements("SAC", 0, tmp_path, ["loss", "pretraining/loss", "no such"])
    assert found[["key", "decisions", "value"]].to_numpy().tolist() == [
        ["loss", 10, 5],
        ["loss", 20, 2],
        ["pretraining/loss", 1000, 9],
        ["pretraining/loss", 2000, 3],
    ]


def test_counts_of_gradient_steps_are_written_whole(tmp_path):
    words = []
    for name, collector in (("local", "local"), ("others", "ray")):
        folder = write_run(tmp_path / name)
        (folder / "Pendulum-v1" / "config.yml").write_text(f"collector: {collector}\n")
        np.savez(folder / "evaluations.npz", timesteps=[1_234_567], results=[[-2.5]])
        words += ["--run", f"{name}={folder}"]
    run(tmp_path, "learning_curves", "--output", str(tmp_path / "curves"), *words)
    found = {row["label"]: row["gradient_steps"] for row in rows(tmp_path / "curves.csv")}
    assert float(found["local"]) == int(float(found["local"])) == 1_234_467
    assert found == {"local": "1234467", "others": ""}


def test_a_final_policy_plays_in_the_environment_of_its_training(tmp_path):
    folder = write_run(tmp_path / "run")
    wrappers = {
        "TimeLimit": {"max_episode_steps": 50},
        "RescaleAction": {"min_action": -1, "max_action": 1},
    }
    settings = {
        "env_wrapper": [{f"gymnasium.wrappers.{name}": one} for name, one in wrappers.items()],
        "frame_stack": 2,
        "normalize": True,
    }
    (folder / "Pendulum-v1" / "config.yml").write_text(yaml.safe_dump(settings))
    trained_in = gymnasium.wrappers.RescaleAction(gymnasium.make("Pendulum-v1"), -1, 1)
    statistics = VecNormalize(DummyVecEnv([lambda: trained_in]))
    statistics.obs_rms.mean[:] = 3
    statistics.save(str(folder / "Pendulum-v1" / "vecnormalize.pkl"))
    env = environment(read_run(folder), folder / "Pendulum-v1.zip")
    assert (env.action_space.low, env.action_space.high) == ([-1], [1])
    assert env.observation_space.shape == (6,)
    assert env.reset()[0, 3] < -1.9
    steps = [env.step(np.ones((1, 1))) for _ in range(50)]
    assert np.flatnonzero([done[0] for _, _, done, _ in steps]).tolist() == [49]
    assert (env.venv.training, env.venv.norm_reward) == (False, True)
    assert (env.obs_rms.mean == 3).all()


def resumed(folder: Path, agent: Path, decisions: int) -> Path:
    write_run(folder)
    arguments = {"algo": "sac", "env": "Pendulum-v1", "trained_agent": str(agent)}
    (folder / "Pendulum-v1" / "args.yml").write_text(yaml.safe_dump(arguments))
    header = f'#{{"t_start": 0, "decisions": {decisions}}}\n'
    (folder / "before.monitor.csv").write_text(f"{header}r,l,t,finished_at\n")
    return folder


def test_a_resumed_training_is_drawn_from_its_beginning(tmp_path, capsys):
    one = write_run(tmp_path / "one")
    two = resumed(tmp_path / "two", one / "rl_model_20_steps.zip", 20)
    three = resumed(tmp_path / "three", two / "best_model.zip", 30)
    # The best model that the third brought along is older than what the third began with.
    four = resumed(tmp_path / "four", three / "best_model.zip", 25)
    head = "time/total_timesteps,loss"
    for folder, steps in ((one, (10, 20, 30)), (two, (24, 30, 40)), (four, (26, 50))):
        lines = [head, *(f"{step},{step / 10}" for step in steps)]
        (folder / "progress.csv").write_text("\n".join(lines) + "\n")
    (three / "progress.csv").write_text("")

    def drawn(folder):
        return measurements("SAC", 0, folder, ["loss"])["decisions"].tolist()

    assert drawn(two) == [10, 20, 24, 30, 40]
    assert drawn(three) == [10, 20, 24, 30]
    assert drawn(four) == [10, 20, 24, 26, 50]
    assert capsys.readouterr().err == ""
    shutil.rmtree(one)
    assert drawn(two) == [24, 30, 40]
    assert capsys.readouterr().err == (
        f"'{two}' goes on from '{one / 'rl_model_20_steps.zip'}', beside which there is no "
        "progress.csv: what was logged up to decision 20 is left out\n"
    )
    # Named anew, after the run that it goes on from was removed.
    again = two.rename(one)
    assert drawn(again) == [24, 30, 40]
    assert "is left out" in capsys.readouterr().err


def test_leanrl_style_critics():
    """One step of both critics, next to two plain networks and their own optimisers."""
    torch.manual_seed(0)
    lean = LeanSAC(5, 2, [8], [16, 8], transitions=50)
    plain = []
    for member in range(2):
        layers = [torch.nn.Linear(7, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8)]
        network = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Linear(8, 1))
        network.load_state_dict({key: value[member] for key, value in lean.params.items()})
        plain.append(network)
    batch = tuple(part[:20] for part in lean.memory)
    observations, actions, following, rewards, dones = batch
    torch.manual_seed(1)
    lean.update_critics(batch)

    torch.manual_seed(1)
    with torch.no_grad():
        next_actions, log_prob = lean.act(following)
        inputs = torch.cat((following, next_actions), dim=1)
        smaller = torch.minimum(plain[0](inputs), plain[1](inputs)) - log_prob
        target = rewards + GAMMA * (1 - dones) * smaller
    for member, network in enumerate(plain):
        loss = torch.nn.functional.mse_loss(network(torch.cat((observations, actions), 1)), target)
        loss.backward()
        torch.optim.Adam(network.parameters(), lr=LEARNING_RATE).step()
        for key, value in network.state_dict().items():
            torch.testing.assert_close(lean.params[key][member], value, msg=key)


@pytest.mark.slow
def test_leanrl_style_trains_all_parts():
    lean = LeanSAC(5, 2, [8], [8], transitions=50)
    watched = [*lean.actor.parameters(), *lean.targets.values(), lean.log_alpha]
    before = [value.detach().clone() for value in watched]
    lean.train(gradient_steps=2, batch_size=10)
    assert not any(torch.equal(old, new) for old, new in zip(before, watched, strict=True))


@pytest.mark.slow
def test_limits_prints_each_part(tmp_path):
    out = tmp_path / "limits.csv"
    options = ("--configs", "crossq-wn", "--variants", "eager", "--seconds", "0.1", "--batch-size")
    run(tmp_path, "limits", *options, str(BATCH), "--out", str(out))
    found = rows(out)
    model = make(CONFIGURATIONS["crossq-wn"], BATCH)
    counted = {part.name: part for part in count(model, BATCH)}
    parts = {row["part"]: row for row in found if row["limit"]}
    assert list(parts) == list(counted)
    for name, part in counted.items():
        assert float(parts[name]["GFLOP"]) == pytest.approx(part.share * part.flops / 1e9)
    ours = {row["group"]: float(row["ours"]) for row in found if row["ours"]}
    groups = {part.group for part in counted.values()}
    assert groups | {"update", "products in turn"} <= ours.keys()
    assert min(ours.values()) > 0


@pytest.mark.slow
def test_update_throughput(tmp_path):
    out = tmp_path / "rates.csv"
    options = "--configs sac-256 crossq --variants eager --others SB3 sb3-contrib LeanRL "
    options += f"--rounds 2 --seconds 0.05 --batch-size 16 --gradient-steps 3 --out {out}"
    told = run(tmp_path, "update_throughput", *options.split())
    assert "SAC 2 x 256" in told
    sides = {}
    for row in rows(out):
        key = (row["config"], row["side"])
        sides.setdefault(key, []).append(float(row["gradient_steps_per_second"]))
    assert set(sides) == {
        *(("sac-256", side) for side in ("eager", "SB3", "LeanRL", "limit")),
        *(("crossq", side) for side in ("eager", "sb3-contrib", "limit")),
    }
    for config in ("sac-256", "crossq"):
        (limit,) = sides[config, "limit"]
        assert 0 < np.median(sides[config, "eager"]) < limit


@pytest.mark.slow
def test_cost_growth_goes_on(tmp_path):
    options = "--axes utd n_envs --seconds 0.01 --env pendulum-swingup --out growth --largest"
    run(tmp_path, "cost_growth", *options.split(), "1")
    first = rows(tmp_path / "growth" / "cost_growth.csv")
    assert [(row["axis"], row["value"]) for row in first] == [("utd", "1"), ("n_envs", "1")]
    told = run(tmp_path, "cost_growth", *options.split(), "8")
    found = rows(tmp_path / "growth" / "cost_growth.csv")
    assert found[:2] == first
    for axis in ("utd", "n_envs"):
        assert [row["value"] for row in found if row["axis"] == axis] == ["1", "2", "4", "8"]
    assert "utd (gradient steps per decision)" in told
    assert (tmp_path / "growth" / "cost_growth.png").stat().st_size > 0


@pytest.mark.slow
def test_time_to_train(tmp_path):
    out = tmp_path / "times.csv"
    options = "--env pendulum-swingup --variants eager --others SB3 --decisions 150 --out"
    command = (*options.split(), str(out), "--learning-starts", "100", "--gradient-steps", "2")
    run(tmp_path, "time_to_train", *command)
    found = rows(out)
    assert [row["side"] for row in found] == ["eager", "SB3"]
    for row in found:
        assert row["gradient_steps"] == "100"
        parts = float(row["environment"]) + float(row["updates"])
        assert 0 < parts < float(row["seconds"])


@pytest.mark.slow
def test_collector_scaling(tmp_path):
    options = "--collectors 2 --rounds 1 --seconds 0.5 --milliseconds 5 --fragment-length 4"
    told = run(tmp_path, "collector_scaling", *options.split())
    rates = [float(line.split("│")[2]) for line in told.splitlines() if line.startswith("│")]
    one, two = rates
    assert 0 < one < 200
    assert one < two < 400


@pytest.mark.slow
def test_collector_gain(tmp_path):
    options = "--tasks Pendulum-v1 waiting --updates 0 --envs 1 --rounds 1 --seconds 0.3"
    told = run(tmp_path, "collector_gain", *options.split())
    found = [line.split("│")[3:-1] for line in told.splitlines() if line.startswith("│")]
    fast, slow = [[float(rate) for rate in row] for row in found]
    assert 0 < min(slow) <= max(slow) < 200
    assert fast[0] > 200


@pytest.mark.slow
def test_collector_road(tmp_path):
    options = "--envs 2 --rounds 1 --fragments 2 --fragment-length 4"
    told = run(tmp_path, "collector_road", *options.split())
    found = [line.split("│")[3:-1] for line in told.splitlines() if line.startswith("│")]
    assert len(found) == 3
    sizes = [float(row[0]) for row in found]
    assert 4 * (67 + 21) < sizes[0] < 4 * (223 + 38) < sizes[1] < 9 * 84 * 84 < sizes[2]
    assert all(float(figure) > 0 for row in found for figure in row)


@pytest.mark.slow
def test_collector_soak(tmp_path):
    options = "--minutes 0.4 --every 1 --kill-every 6 --lose-node-at 8 --allowed 1e9"
    told = run(tmp_path, "collector_soak", *options.split())
    assert "collectors replaced" in told
    found = rows(tmp_path / "collector_soak.csv")
    assert int(found[-1]["restarts"]) > 0
    assert float(found[-1]["seconds"]) > 20
    assert int(found[-1]["decisions"]) > int(found[0]["decisions"])
    assert all(float(row["learner"]) > 0 for row in found)
    assert float(found[-1]["object store"]) < 1


def test_sizes_are_those_of_the_dog():
    register_envs()
    env = gymnasium.make("dog-run")
    assert env.observation_space.shape == (OBSERVATIONS,)
    assert env.action_space.shape == (ACTIONS,)


@pytest.mark.parametrize(
    "kills", [6, pytest.param(40, marks=pytest.mark.slow)], ids=["some kills", "each moment"]
)
def test_what_is_killed_leaves_whole_files(kills, tmp_path):
    options = ["--kills", str(kills), "--resume-every", "20"]
    told = run(tmp_path, "kill_campaign", *options)
    found = [line.split() for line in told.splitlines() if "kill -9, " in line]
    assert found
    for *_, whole, lost, loss, apart, _gone_on, wrong in found:
        assert int(whole) > 0
        assert lost == wrong == "0"
        assert max(int(loss), int(apart)) <= 40
    assert [row for row in found if row[-7] != "0"], "no kill came while a file was written"

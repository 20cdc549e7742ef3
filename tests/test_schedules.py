"""Learning rates over the remaining progress."""

import math

import pytest

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.algorithms.schedules import schedule


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (3e-4, [3e-4, 3e-4, 3e-4]),
        ("lin_1e-3", [1e-3, 5e-4, 0.0]),
        ("lin_1e-3_2e-4", [1e-3, 6e-4, 2e-4]),
        ("cos_1e-3", [1e-3, 5e-4, 0.0]),
        ("cos_1e-3_2e-4", [1e-3, 6e-4, 2e-4]),
        # The actor of XQC steps once in three; that of FlashSAC comes to the cosine's middle.
        ("lin_3e-4_3e-5_0.3333333", [3e-4, 2.55e-4, 2.1e-4]),
        ("cos_4_2_0.5", [4.0, 3 + math.cos(math.pi / 4), 3.0]),
        pytest.param(lambda remaining: 2 * remaining, [2.0, 1.0, 0.0], id="function"),
    ],
    ids=str,
)
def test_start_middle_and_end(rate: object, expected: list[float]) -> None:
    function = schedule("learning_rate", rate)  # type: ignore[arg-type]
    assert [function(remaining) for remaining in (1.0, 0.5, 0.0)] == pytest.approx(expected)


def test_a_schedule_may_advance_with_the_steps_of_its_optimiser() -> None:
    function = schedule("actor_learning_rate", "lin_3e-4_3e-5_steps", delay=3)
    assert [function(remaining) for remaining in (1.0, 0.5, 0.0)] == pytest.approx(
        [3e-4, 2.55e-4, 2.1e-4]
    )
    ends = {}
    for delay in (1, 3):
        model = SAC(
            "ScalePolicy", "Pendulum-v1", learning_starts=20, device="cpu", policy_delay=delay,
            actor_learning_rate="lin_2e-3_1e-3_steps", critic_learning_rate="lin_2e-3_1e-3_steps",
            ent_coef_learning_rate="cos_2e-3_1e-3_steps",
        )  # fmt: skip
        model.learn(30)
        ends[delay] = [each.schedule(0.0) for each in model.learners]
    assert ends[1] == pytest.approx([1e-3, 1e-3, 1e-3])
    # Critic, actor, temperature; a cosine is a quarter of the way down at a third.
    assert ends[3] == pytest.approx([1e-3, 2e-3 - 1e-3 / 3, 1.75e-3])


def test_cosine_at_a_third() -> None:
    rate = schedule("learning_rate", "cos_3.0_1.0")(2 / 3)
    assert rate == pytest.approx(1 + (1 + math.cos(math.pi / 3)))


@pytest.mark.parametrize(
    "rate", ["lin", "lin_1_2_0", "cos_1_2_1.5", "cos_1_2_nan", "lin_1_2_0.5_1", "tan_1", "lin_1_x"]
)
def test_text_that_is_no_rate(rate: str) -> None:
    with pytest.raises(Sb3ScaleError, match=f"actor_learning_rate is '{rate}'; allowed: a number"):
        schedule("actor_learning_rate", rate)


def test_rates_reach_the_optimisers() -> None:
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=20,
        device="cpu",
        learning_rate=1e-3,
        actor_learning_rate="cos_4e-3_2e-3",
        critic_learning_rate="lin_3e-3_1e-3",
        ent_coef_learning_rate=5e-3,
    )
    model.learn(100)
    rates = [
        optimizer.param_groups[0]["lr"]
        for optimizer in (
            model.policy.actor.optimizer,
            model.policy.critic.optimizer,
            model.ent_coef_optimizer,
        )
    ]
    assert rates == pytest.approx([2e-3, 1e-3, 5e-3])


@pytest.mark.parametrize(
    ("given", "expected"), [("auto", -1.0), ("auto_0.5", -0.5), ("auto_2", -2.0), (-7, -7.0)]
)
def test_target_entropy(given: str | float, expected: float) -> None:
    model = SAC("ScalePolicy", "Pendulum-v1", target_entropy=given, device="cpu")
    assert model.target_entropy == expected

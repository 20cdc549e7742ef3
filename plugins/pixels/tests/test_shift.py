"""Random shifts equal a naive loop, and are the same when compiled."""

import itertools

import numpy as np
import pytest
import torch
from gymnasium import spaces
from pictures import Pictures, make

from sb3_scale import Sb3ScaleError
from sb3_scale.learning.batch import Batch
from sb3_scale_pixels.shift import RandomShift, shift


def naive(image: np.ndarray, down: int, right: int, pad: int) -> np.ndarray:
    """The crop of a padded image, pixel by pixel."""
    _, height, width = image.shape
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
    found = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            found[:, row, column] = padded[:, row + pad + down, column + pad + right]
    return found


def random_images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8)


def test_each_shift_equals_a_naive_loop_over_a_padded_image() -> None:
    pad = 2
    shifts = list(itertools.product(range(-pad, pad + 1), repeat=2))
    images = random_images(len(shifts), 3, 7, 5)
    down, right = torch.tensor(shifts).T
    found = shift(images, down, right, pad)
    for image, (row, column), shifted in zip(images, shifts, found, strict=True):
        np.testing.assert_array_equal(shifted, naive(image.numpy(), row, column, pad))


def test_copies_are_blocks_of_the_same_transitions() -> None:
    images = random_images(4, 2, 6, 6)
    down, right = torch.randint(-4, 5, (2, 12))
    found = shift(images, down, right, 4)
    alone = [shift(images, down[i : i + 4], right[i : i + 4], 4) for i in (0, 4, 8)]
    assert torch.equal(found, torch.cat(alone))


def test_shifted_images_have_their_channels_last_in_memory_also_for_the_compiler() -> None:
    down, right = torch.randint(-4, 5, (2, 6))
    assert shift(random_images(3, 2, 6, 5), down, right, 4).is_contiguous(
        memory_format=torch.channels_last
    )
    torch.library.opcheck(shift, (random_images(3, 2, 6, 5), down, right, 4))


def batch_of(images: torch.Tensor) -> Batch:
    column = torch.zeros(len(images), 1)
    return Batch(images, images, column, column, column)


def shifts_of(found: torch.Tensor, columns: int) -> list[tuple[int, int]]:
    """Of images whose pixels are their own numbers."""
    corner = found[:, 0, 4, 4].int()
    return [divmod(int(number), columns) for number in corner]


def test_shifts_are_drawn_uniformly_for_each_observation_and_copy() -> None:
    numbers = torch.arange(9 * 9, dtype=torch.uint8).view(1, 1, 9, 9)
    images = numbers.expand(2000, 3, 9, 9)
    made = RandomShift(4, copies=2, next_copies=1)(batch_of(images))
    assert (made.copies, made.next_copies) == (2, 1)
    assert made.observations.shape == (4000, 3, 9, 9)
    assert made.next_observations.shape == (2000, 3, 9, 9)
    # One shift for all channels of a stack.
    assert bool((made.observations == made.observations[:, :1]).all())
    first, second = (shifts_of(part, 9) for part in made.observations.split(2000))
    after = shifts_of(made.next_observations, 9)
    for one, other in itertools.combinations((first, second, after), 2):
        equal = sum(a == b for a, b in zip(one, other, strict=True))
        assert equal / 2000 == pytest.approx(1 / 81, abs=0.015)
    for part in (first, second, after):
        for axis in zip(*part, strict=True):
            counts = np.bincount(axis, minlength=9) / 2000
            np.testing.assert_allclose(counts, 1 / 9, atol=0.04)


def test_no_shift_is_the_image_itself() -> None:
    batch = batch_of(random_images(3, 1, 4, 4))
    assert torch.equal(RandomShift(0)(batch).observations, batch.observations)


@pytest.mark.parametrize(
    "given", [{"pad": -1}, {"pad": 10**9}, {"copies": 0}, {"next_copies": 10**9}]
)
def test_sizes_out_of_range(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"is -?\d+; allowed: from [01] to 100"):
        RandomShift(**given)


def test_compiled_it_is_one_call_and_gives_the_same() -> None:
    transform, batch = RandomShift(3, 2, 2), batch_of(random_images(5, 3, 8, 8))
    compiled = torch.compile(transform, fullgraph=True, backend="aot_eager")
    made = []
    for run in (transform, compiled):
        torch.manual_seed(1)
        made.append(run(batch))
    for one, other in zip(*(each.tensors() for each in made), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "space", [spaces.Box(-1, 1, (3,)), spaces.Box(0, 1, (3, 20, 18), np.float32)]
)
def test_observations_that_are_no_images_are_refused_before_training(space: spaces.Box) -> None:
    env = Pictures()
    env.observation_space = space
    with pytest.raises(Sb3ScaleError, match="'random-shift' shifts images, and the observations"):
        make(env=env, extractor="flatten")

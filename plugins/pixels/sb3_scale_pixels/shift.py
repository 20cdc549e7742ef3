"""Random shifts of images."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sb3_scale.errors import Sb3ScaleError, check_within
from sb3_scale.learning.batch import Batch
from sb3_scale.learning.transforms import Transform

MOST = 100
"""Pixels of a shift, and copies of a batch."""


class RandomShift(Transform):
    """
    Shifts each observation by up to ``pad`` pixels in both directions, its border repeated.

    One shift for all frames of a stack, and independent ones for each transition, for ``s`` and
    ``s'``, and for each copy. With copies K and M the bootstrap target is the mean over the M
    copies of ``s'``, and the loss the mean over the K copies of ``s``. Of a ``Dict`` the images are
    shifted, each on its own. Source: Kostrikov et al.,
    "Image Augmentation Is All You Need", 2021, section 3.

    :param pad: largest shift, in pixels, at most 100
    :param copies: of ``s``, K, at most 100
    :param next_copies: of ``s'``, M, at most 100
    """

    def __init__(self, pad: int = 4, copies: int = 1, next_copies: int = 1) -> None:
        super().__init__()
        check_within(0, MOST, pad=pad)
        check_within(1, MOST, copies=copies, next_copies=next_copies)
        self.pad = pad
        self.copies = copies
        self.next_copies = next_copies

    def forward(self, batch: Batch) -> Batch:
        """
        :param batch: what was sampled
        :return: the same with shifted images, in copies
        """
        return replace(
            batch,
            observations=self._shifted(batch.observations, self.copies),
            next_observations=self._shifted(batch.next_observations, self.next_copies),
            copies=batch.copies * self.copies,
            next_copies=batch.next_copies * self.next_copies,
        )

    def _shifted(self, observations: Any, copies: int) -> Any:
        if isinstance(observations, dict) and any(map(_is_image, observations.values())):
            return {
                key: self._shifted_image(each, copies)
                if _is_image(each)
                else each.repeat(copies, *[1] * (each.dim() - 1))
                for key, each in observations.items()
            }
        if not _is_image(observations):
            raise Sb3ScaleError(
                "transform 'random-shift' shifts images, and the observations are none; allowed: "
                "a Box(0, 255, (channels, height, width), uint8), or a Dict with one"
            )
        return self._shifted_image(observations, copies)

    def _shifted_image(self, images: Tensor, copies: int) -> Tensor:
        size = (2, copies * len(images))
        down, right = torch.randint(-self.pad, self.pad + 1, size, device=images.device)
        shifted: Tensor = shift(images, down, right, self.pad)
        return shifted


def _is_image(observations: Any) -> bool:
    return (
        isinstance(observations, Tensor)
        and observations.dtype == torch.uint8
        and observations.dim() == 4
    )


@torch.library.custom_op("sb3_scale_pixels::shift", mutates_args=())
def shift(images: Tensor, down: Tensor, right: Tensor, pad: int) -> Tensor:
    """
    Shift images, in one call that the compiler leaves as it is: its own loops are slower.

    The result has its channels last in memory, as convolutions read them, so that a row of it is a
    run of bytes in the images with columns repeated at both sides.

    :param images: shape ``(b, channels, height, width)``
    :param down: what is added to each row's number, ``(copies * b,)``
    :param right: what is added to each column's number, from ``-pad`` to ``pad``, likewise
    :param pad: columns to repeat
    :return: shape ``(copies * b, channels, height, width)``
    """
    size, channels, height, width = images.shape
    wide = width + 2 * pad
    padded = images.new_empty(size, height, wide, channels)
    padded[:, :, pad : pad + width] = images.permute(0, 2, 3, 1)
    padded[:, :, :pad] = padded[:, :, pad : pad + 1]
    padded[:, :, pad + width :] = padded[:, :, pad + width - 1 : pad + width]
    run = width * channels
    runs = padded.view(-1).as_strided((padded.numel() - run + 1, run), (1, 1))
    device = images.device
    rows = (torch.arange(height, device=device) + down.view(-1, 1)).clamp_(0, height - 1)
    first = torch.arange(size, device=device).view(1, size, 1) * height
    starts = (first + rows.view(-1, size, height)) * wide + (right + pad).view(-1, size, 1)
    shifted = runs.index_select(0, starts.view(-1) * channels)
    return shifted.view(-1, height, width, channels).permute(0, 3, 1, 2)


@shift.register_fake
def _(images: Tensor, down: Tensor, right: Tensor, pad: int) -> Tensor:
    channels, height, width = images.shape[1:]
    return images.new_empty(len(down), height, width, channels).permute(0, 3, 1, 2)

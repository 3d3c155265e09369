"""A row's bytes whatever stands beside it: libraries pick other kernels for few rows.

Measured with torch 2.13 on CPUs with AVX2, in float32, with 1 and 2 threads:

- A matrix product of MKL has the same rows whenever their number is a multiple of 4 or at least
  12; of 1, 2, 3, 5, 6, 7, 9, 10 and 11 rows the last bits are others.
- A convolution of oneDNN has the same rows in any batch, but torch takes another library for
  small ones and, without a second thread, for kernels of 1 x 1.
- A transposed convolution of oneDNN has the same row alone with any number of threads, and another
  in a larger batch.
- What attention leaves in another memory order is seen as such, and normalised by other code,
  in a batch of two or more only.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MULTIPLE, ENOUGH = 4, 12
GRAIN = 32768  # elements; torch computes fewer with one thread (at::internal::GRAIN_SIZE)


def silu(rows: Tensor) -> Tensor:
    """Of rows (T, width) that lie apart in memory, in place; each is the same in any company.

    torch computes the last few of a stretch of memory by other code than the rest, and divides it
    among threads wherever it may. Here a stretch is a row.
    """
    assert rows.stride(0) > rows.shape[1]
    if rows.device.type != "cpu":
        return F.silu(rows)
    for part in rows.split(max(1, (GRAIN - 1) // rows.shape[1])):
        F.silu(part, inplace=True)
    return rows


def stabilize_rows(network: nn.Module) -> None:
    """Without gradients, its layers compute every row of a batch alike; training stays as fast."""
    for module in network.modules():
        module.__class__ = STABLE.get(type(module), type(module))


# `input`, because diffusers names it in some calls.


class StableLinear(nn.Linear):
    """(..., in) -> (..., out); rows of zeros stand beside few."""

    def forward(self, input: Tensor) -> Tensor:
        count = input.numel() // input.shape[-1]
        if count >= ENOUGH or count % MULTIPLE == 0 or not is_sampled(input):
            return super().forward(input)
        padded = filled_up(input.reshape(count, -1), MULTIPLE)
        return super().forward(padded)[:count].unflatten(0, input.shape[:-1])


class StableConv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        if not is_sampled(input):
            return super().forward(input)
        settings = (self.padding, self.stride, self.dilation, self.groups)
        return torch.mkldnn_convolution(input.contiguous(), self.weight, self.bias, *settings)


class StableConv1d(nn.Conv1d):
    def forward(self, input: Tensor) -> Tensor:
        """(B, C, N) -> (B, C', N'), as a picture of one line."""
        if not is_sampled(input):
            return super().forward(input)
        sizes = ((0, *self.padding), (1, *self.stride), (1, *self.dilation))
        wide, weight = input.contiguous()[:, :, None], self.weight[:, :, None]
        return torch.mkldnn_convolution(wide, weight, self.bias, *sizes, self.groups)[:, :, 0]


class StableConv3d(nn.Conv3d):
    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H', W')."""
        if not is_sampled(input):
            return super().forward(input)
        settings = (self.padding, self.stride, self.dilation, self.groups)
        return torch.mkldnn_convolution(input.contiguous(), self.weight, self.bias, *settings)


class StableConvTranspose1d(nn.ConvTranspose1d):
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, N) -> (B, C', N'), row by row."""
        if not is_sampled(input):
            return super().forward(input, output_size)
        alone = super().forward
        return torch.cat([alone(row, output_size) for row in input.split(1)])


class StableGroupNorm(nn.GroupNorm):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.contiguous() if is_sampled(input) else input)


def filled_up(rows: Tensor, multiple: int) -> Tensor:
    """(..., M, width) and as many rows of zeros as make M a multiple."""
    missing = -rows.shape[-2] % multiple
    return F.pad(rows, (0, 0, 0, missing)) if missing else rows


def is_sampled(rows: Tensor) -> bool:
    """What is measured above holds for float32 on a CPU with oneDNN."""
    return (
        not torch.is_grad_enabled()
        and rows.device.type == "cpu"
        and rows.dtype == torch.float32
        and torch.backends.mkldnn.is_available()
    )


STABLE: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: StableLinear,
    nn.Conv1d: StableConv1d,
    nn.Conv2d: StableConv2d,
    nn.Conv3d: StableConv3d,
    nn.ConvTranspose1d: StableConvTranspose1d,
    nn.GroupNorm: StableGroupNorm,
}

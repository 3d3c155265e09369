"""GroupViT's layers (Xu et al. 2022), which assign tokens to groups, as in NExT-GPT's projector.

Parameters have the names and shapes of NExT-GPT's checkpoints (nextgpt/model/multimodal_projector).
The stage in transformers computes the same, but its self-attention has biases that these lack.

B media, N tokens, G groups, C width, H heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Mixer(Mlp):
    """Mixes tokens within each channel: (B, N, C) -> (B, G, C)."""

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        return super().forward(tokens_BNC.transpose(1, 2)).transpose(1, 2)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        queries, keys, values = self.qkv(tokens_BNC).chunk(3, -1)
        return self.proj(attend(queries, keys, values, self.heads))


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, groups_BGC: Tensor, tokens_BNC: Tensor) -> Tensor:
        keys, values = self.k_proj(tokens_BNC), self.v_proj(tokens_BNC)
        return self.proj(attend(self.q_proj(groups_BGC), keys, values, self.heads))


class Assignment(CrossAttention):
    """Each token is assigned to one group; a group becomes the mean of its tokens."""

    def __init__(self, width: int) -> None:
        super().__init__(width, heads=1)

    def forward(self, groups_BGC: Tensor, tokens_BNC: Tensor) -> Tensor:
        queries, keys = self.q_proj(groups_BGC), self.k_proj(tokens_BNC)
        assigned_BGN = self.assign(queries @ keys.mT / queries.shape[-1] ** 0.5)
        shares = assigned_BGN / (assigned_BGN.sum(-1, keepdim=True) + 1)  # + 1 for empty groups
        return self.proj(shares @ self.v_proj(tokens_BNC))

    def assign(self, scores_BGN: Tensor) -> Tensor:
        """1 for the group of a token, 0 for others, with the gradients of a softmax.

        In training groups are drawn (Gumbel-softmax, Jang et al. 2017), so that all are used.
        """
        if self.training:
            return F.gumbel_softmax(scores_BGN, hard=True, dim=1)
        soft = scores_BGN.softmax(1)
        hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        return hard + soft - soft.detach()


class Block(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), SelfAttention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 4 * width, width)

    def forward(self, x_BNC: Tensor) -> Tensor:
        x_BNC = x_BNC + self.attn(self.norm1(x_BNC))
        return x_BNC + self.mlp(self.norm2(x_BNC))


class CrossBlock(nn.Module):
    """A layer in which groups attend to tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = CrossAttention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 4 * width, width)
        self.norm_post = nn.LayerNorm(width)

    def forward(self, groups_BGC: Tensor, tokens_BNC: Tensor) -> Tensor:
        groups_BGC = groups_BGC + self.attn(groups_BGC, tokens_BNC)
        return self.norm_post(groups_BGC + self.mlp(self.norm2(groups_BGC)))


class TokenAssignment(nn.Module):
    """Tokens (B, N, C) and group tokens (B, G, C) -> groups (B, G, C)."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm_tokens, self.norm_x = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp_inter = Mixer(groups, width // 2, groups)
        self.norm_post_tokens = nn.LayerNorm(width)
        self.pre_assign_attn = CrossBlock(width, heads)
        self.assign = Assignment(width)
        self.norm_new_x, self.mlp_channels = nn.LayerNorm(width), Mlp(width, 4 * width, width)

    def forward(self, tokens_BNC: Tensor, group_tokens_BGC: Tensor) -> Tensor:
        tokens_BNC = self.norm_x(tokens_BNC)
        queries = self.norm_post_tokens(self.mlp_inter(self.norm_tokens(group_tokens_BGC)))
        queries = self.pre_assign_attn(queries, tokens_BNC)
        groups = queries + self.assign(queries, tokens_BNC)
        return groups + self.mlp_channels(self.norm_new_x(groups))


class TransformerStage(nn.Module):
    """Transformer layers over tokens (B, N, C)."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))

    def forward(self, tokens_BNC: Tensor) -> Tensor:
        mixed: Tensor = self.blocks(tokens_BNC)
        return mixed


class GroupingStage(TransformerStage):
    """Transformer layers over tokens and group tokens, then the assignment of tokens to groups.

    The group tokens of a stage start from the outputs of the previous stage's, if there is one.
    """

    def __init__(self, width: int, heads: int, layers: int, groups: int, before: int = 0) -> None:
        super().__init__(width, heads, layers)
        self.group_token = nn.Parameter(torch.randn(1, groups, width) * 0.02)
        if before:
            mixer = Mixer(before, width // 2, groups)
            self.group_projector = nn.Sequential(nn.LayerNorm(width), mixer)
        self.downsample = TokenAssignment(width, heads, groups)

    def forward(self, tokens_BNC: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Groups (B, G, C), and the outputs of the group tokens (B, G, C)."""
        group_tokens = self.group_token.expand(len(tokens_BNC), -1, -1)
        if before is not None:
            group_tokens = group_tokens + self.group_projector(before)
        mixed = super().forward(torch.cat([tokens_BNC, group_tokens], 1))
        tokens, group_tokens = mixed.split([tokens_BNC.shape[1], group_tokens.shape[1]], 1)
        return self.downsample(tokens, group_tokens), group_tokens


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """Multi-head attention of (B, G, C) over (B, N, C) -> (B, G, C)."""
    split = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys, values)]
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)

"""What a Q-Former needs beside itself to read, judge and write captions.

B rows, Q queries, L words of the longest caption, T = Q + L positions, K features, W their width,
C width of the Q-Former, E width of the joint space, V size of the vocabulary.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anygen.config.run import Run
from anygen.llm.backbone import load_tokenizer
from anygen.llm.tokenization import ids_of
from anygen.model.building import find_base
from anygen.model.multimodal import MultimodalModel
from anygen.projectors.input import QFormer
from anygen.training.representation.masks import Mask
from anygen.training.representation.objectives import closest_cosines

JOINT_WIDTH = 256
TEMPERATURE = 0.07  # at first
TEMPERATURES = (0.001, 0.5)  # where it stays (BLIP, Li et al. 2022)
MAX_WORDS = 32  # tokens of a caption, with those around it, unless `max_length` says otherwise
INITIAL_STD = 0.02  # BERT's
# Tokens beside those of the tokenizer, by their number after it: [CLS] or [DEC] comes before a
# caption and [SEP] after it.
CLS, DEC, SEP = range(3)


class TextSide(nn.Module):
    """Word embeddings, feed-forward layers for words, and heads of the three objectives.

    Self-attention is the Q-Former's own, which words and queries share. The tokens are those of the
    base LLM, of which nothing but the tokenizer is loaded. Names are those of transformers'
    `Blip2ForImageTextRetrieval`, which has no head that writes.
    """

    def __init__(self, model: MultimodalModel, run: Run) -> None:
        """Raises ValueError for a system without a Q-Former that pictures alone go through."""
        super().__init__()
        model.check_encodable("encoder", ["image"])
        projector, llm = q_former_of(model), model.system.llm
        self.tokenizer = load_tokenizer(find_base(llm.base, model.folder), llm.template)
        self.text_tokens = max(self.tokenizer.get_vocab().values()) + 1
        self.max_words = run.max_length or MAX_WORDS
        config = projector.qformer.config
        width, inside, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        vocabulary = self.text_tokens + len((CLS, DEC, SEP))
        self.word_embeddings = nn.Embedding(vocabulary, width)
        self.position_embeddings = nn.Embedding(self.max_words, width)
        # One that reads questions has such layers itself.
        own = 0 if projector.question else config.num_hidden_layers
        self.feed_forward = nn.ModuleList(FeedForward(width, inside, eps) for _ in range(own))
        self.vision_projection = nn.Linear(width, JOINT_WIDTH)
        self.text_projection = nn.Linear(width, JOINT_WIDTH)
        self.temperature = nn.Parameter(torch.tensor(TEMPERATURE))
        self.itm_head = nn.Linear(width, 2)
        self.transform = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=eps)
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.apply(begin)

    def special(self, token: int) -> int:
        """The id of CLS, DEC or SEP."""
        return self.text_tokens + token

    def tokens(self, captions: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Ids (B, L) from [CLS] to [SEP], and which of them are not padding (B, L)."""
        room = self.max_words - 2
        rows = []
        for caption in captions:
            ids = ids_of(caption, self.tokenizer, begins=True, split_special_tokens=True)[:room]
            rows.append(torch.tensor([self.special(CLS), *ids, self.special(SEP)]))
        ids_BL = nn.utils.rnn.pad_sequence(rows, batch_first=True).to(device)
        lengths = torch.tensor([*map(len, rows)], device=device)
        return ids_BL, torch.arange(ids_BL.shape[1], device=device) < lengths[:, None]

    def read(
        self,
        projector: QFormer,
        features_BKW: Tensor,
        ids_BL: Tensor,
        words_BL: Tensor,
        mask: Mask,
    ) -> tuple[Tensor, Tensor]:
        """Queries (B, Q, C) and words (B, L, C) after the last layer.

        `words_BL` is false at padding, and `mask` says what attends to what.
        """
        queries = projector.query_tokens.expand(len(features_BKW), -1, -1)
        text = self.word_embeddings(ids_BL) + self.position_embeddings.weight[: ids_BL.shape[1]]
        visible_B1TT = mask(projector.tokens, words_BL)
        hidden_BTC = projector.qformer.layernorm(torch.cat([queries, text], 1))
        features_BKW = features_BKW.to(hidden_BTC.dtype)
        for number, layer in enumerate(projector.qformer.encoder.layer):
            attended = layer.attention(hidden_BTC, visible_B1TT)
            queries, text = attended.split([projector.tokens, ids_BL.shape[1]], 1)
            if layer.has_cross_attention:
                queries = layer.crossattention(queries, encoder_hidden_states=features_BKW)
            own = self.feed_forward[number] if self.feed_forward else layer.feed_forward_chunk
            hidden_BTC = torch.cat([layer.feed_forward_chunk_query(queries), own(text)], 1)
        queries, text = hidden_BTC.split([projector.tokens, ids_BL.shape[1]], 1)
        return queries, text

    def scores(self, queries_BQC: Tensor, text_BLC: Tensor) -> Tensor:
        """Contrast: cosines of pictures (rows) and texts by the temperature, (B, B).

        Of a picture the query that is closest to the text counts, of a text its [CLS].
        """
        media_BQE = F.normalize(self.vision_projection(queries_BQC).float(), dim=-1)
        texts_BE = F.normalize(self.text_projection(text_BLC[:, 0]).float(), dim=-1)
        return closest_cosines(media_BQE, texts_BE) / self.temperature.clamp(*TEMPERATURES)

    def match_logits(self, queries_BQC: Tensor) -> Tensor:
        """Matching: (B, 2), the mean over the queries; the second is that of a match."""
        logits: Tensor = self.itm_head(queries_BQC).mean(1)
        return logits

    def token_logits(self, text_NC: Tensor) -> Tensor:
        """Captioning: the next token, (N, V); the matrix is that of the embeddings, as in BERT."""
        return F.linear(self.transform(text_NC), self.word_embeddings.weight, self.bias)


class FeedForward(nn.Module):
    """That of BERT: the norm comes after the sum."""

    def __init__(self, width: int, inside: int, eps: float) -> None:
        super().__init__()
        self.intermediate = nn.Linear(width, inside)
        self.output = nn.Linear(inside, width)
        self.norm = nn.LayerNorm(width, eps=eps)

    def forward(self, states: Tensor) -> Tensor:
        normed: Tensor = self.norm(states + self.output(F.gelu(self.intermediate(states))))
        return normed


def q_former_of(model: MultimodalModel) -> QFormer:
    """The Q-Former that all media go through. Raises ValueError if there is none."""
    if not isinstance(model.input_projector, QFormer):
        kind = model.system.input_projector.kind
        found = "several, or one behind video_pooling" if kind == "qformer" else kind
        raise ValueError(
            "input_projector: stage represent trains a qformer that all media share, and this "
            f"system has {found}"
        )
    return model.input_projector


def begin(module: nn.Module) -> None:
    """First values as in BERT."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)

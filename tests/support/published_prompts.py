"""Prompts in tokens, written from the published code of four systems, with SentencePiece alone.

All four use LlamaTokenizer without `use_fast`: SentencePiece encodes each text that is passed to
it, with a space before its first word, and the code joins the ids.
"""

import re
from typing import Any

import sentencepiece
from transformers.convert_slow_tokenizer import import_protobuf

MEDIUM = "medium"  # stands for the features of one

VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def without_prefix(model: bytes) -> bytes:
    """A tokenizer.model that puts no space before a text, as `legacy=False` uses it."""
    proto = import_protobuf().ModelProto.FromString(model)
    proto.normalizer_spec.add_dummy_prefix = False
    return bytes(proto.SerializeToString())


class Published:
    """`legacy` is the setting of transformers 4.31 to 4.57, where None means true."""

    def __init__(self, model: bytes, legacy: bool | None) -> None:
        self.legacy = legacy is not False
        self.pieces: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.bare: Any = sentencepiece.SentencePieceProcessor(model_proto=without_prefix(model))
        self.first = [self.pieces.bos_id()]

    def text(self, text: str) -> list[int]:
        """`tokenizer(text, add_special_tokens=False)` of a text without special tokens."""
        return list(self.pieces.encode(text)) if text else []

    def texts(self, text: str) -> list[int]:
        """`tokenizer(text)` of a text that may contain `</s>`."""
        ids = self.first.copy()
        for index, piece in enumerate(re.split("(</s>)", text)):
            if piece == "</s>":
                ids.append(self.pieces.eos_id())
            elif self.legacy or index == 0:
                ids += self.text(piece)
            else:  # only the first piece of a text gets a space
                ids += list(self.bare.encode(piece))
        return ids

    # NExT-GPT, prepare_generation_embedding in anyToImageVideoAudio.py: the prompt is cut at
    # ` <` and `> `, and the pieces are encoded one by one; as in training, only the first begins
    # with <s>. The tokenizer strips the text beside added tokens, which signal tokens are.

    def nextgpt_with_image(self, question: str) -> list[Any]:
        return [
            *self.first,
            *self.text("### Human:"),
            MEDIUM,
            *self.text(f"{question}\n### Assistant:"),
        ]

    def nextgpt_dialogue(self, first: str, answer: str, second: str) -> list[Any]:
        """The history of demo_app.py, of text alone."""
        history = f"### Human: {first}\n### Assistant: {answer}\n###"
        return [*self.first, *self.text(f"{history} Human: {second}\n### Assistant:")]

    def nextgpt_after_image(self, first: str, answer: str, second: str) -> list[Any]:
        """build_one_instance_stage_3 in utils.py: signal tokens, then `\\n###`, which is stripped.

        The medium stands for its signal tokens and what is read back of it.
        """
        return [
            *self.first,
            *self.text(f"### Human: {first}\n### Assistant: {answer}"),
            MEDIUM,
            *self.text("###"),
            *self.text(f"Human: {second}\n### Assistant:"),
        ]

    # PandaGPT, prepare_generation_embedding in openllama.py; <Img> is no token there, but text.

    def pandagpt_with_image(self, question: str) -> list[Any]:
        return [
            *self.first,
            *self.text("### Human: <Img>"),
            MEDIUM,
            *self.text(f"</Img> {question}\n### Assistant:"),
        ]

    # DreamLLM, builder_dreamllm.py: the template vicuna_v1.1 of conversation.py. <image> is a
    # token, and the text on both sides of it is encoded by itself (`legacy`, as is its default).

    def dreamllm_with_image(self, question: str) -> list[Any]:
        before = self.texts(f"{VICUNA} USER: ")
        return [*before, MEDIUM, *self.text(f"{question} ASSISTANT:")]

    def dreamllm_dialogue(self, first: str, answer: str, second: str) -> list[Any]:
        history = f"{VICUNA} USER: {first} ASSISTANT: {answer}</s>"
        return self.texts(f"{history}USER: {second} ASSISTANT:")

    def dreamllm_interleaved(self, question: str, before: str, after: str) -> list[Any]:
        """InstructInterleavedImageText: the instruction, then each text without its <s>."""
        return [
            *self.texts(f"{VICUNA} USER: {question} ASSISTANT:"),
            *self.text(before),
            MEDIUM,
            *self.text(after),
            self.pieces.eos_id(),
        ]

    def dreamllm_text_to_image(self, prompt: str) -> list[Any]:
        """get_prompt_embeds in modeling_dreamllm.py, up to the dream: no template."""
        return self.texts(prompt)

    # LLaVA, tokenizer_image_token in mm_utils.py: the prompt is cut at <image>, each piece is
    # encoded with <s>, and all but the first lose it.

    def llava_with_image(self, question: str) -> list[Any]:
        pieces = [self.texts(piece) for piece in (f"{VICUNA} USER: ", f"{question} ASSISTANT:")]
        return [*pieces[0], MEDIUM, *pieces[1][1:]]

    def llava_dialogue(self, first: str, answer: str, second: str) -> list[Any]:
        """The image is in the first question, before a line break."""
        pieces = [
            self.texts(piece)
            for piece in (
                f"{VICUNA} USER: ",
                f"\n{first} ASSISTANT: {answer}</s>USER: {second} ASSISTANT:",
            )
        ]
        return [*pieces[0], MEDIUM, *pieces[1][1:]]

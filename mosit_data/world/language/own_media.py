"""Questions of people about photographs, videos and sounds of their own, answered by a name.

Such media are not of the small world. The answer says what a medium is or, where the encoder is
unsure, what it is nearest to.
"""

import random

from anygen.core.modality import MediaModality
from mosit_data.world.language.language import Language
from mosit_data.world.vocabulary import SOUNDS, article, with_article

CHINESE = 0.12  # share of the questions that are in Chinese
CASUAL = 0.35  # share of the English ones without a capital letter and an end
BEFORE = (
    *("", "", "", "", "", ""),
    *("Hi! ", "Hello, ", "Hey, ", "Quick question: ", "Please help: ", "Excuse me, "),
    *("My sister sent me this. ", "I made this last week. ", "From our holidays: "),
    *("I found this on my phone. ", "My son asks: ", "Just for fun: "),
)
ANY_MEDIUM = (
    "What is this?",
    "What could this be?",
    "Can you tell me what this is?",
    "Do you know what this is?",
    "Any idea what this is?",
    "Guess what this is.",
    "Tell me what you notice.",
    "Describe this.",
    "Do you recognise this?",
    "What have I got here?",
    "What have I sent you?",
    "In one sentence, what is it?",
    "Tell everyone what this is.",
    "Name it.",
)
QUESTIONS: dict[Language, dict[MediaModality, tuple[str, ...]]] = {
    "english": {
        "image": (
            "What is in this picture?",
            "What does this photo show?",
            "What does my photo show?",
            "Which animal or thing is this?",
            "Which animal is this?",
            "What kind of animal do you see?",
            "Who is in this picture?",
            "Who is that?",
            "Who is lying there?",
            "Describe this picture.",
            "Describe my photo.",
            "What do you see?",
            "What do you see in my picture?",
            "What did I photograph?",
            "What is the main thing in this photo?",
            "What is standing there?",
            "What is this thing on the table?",
            "What is that in the middle?",
            "What is this object called?",
            "How is this called?",
            "What am I looking at?",
            "Write a caption for this photo.",
            "Find a title for my picture.",
            "Look at this. What is it?",
            "What did I take a photo of?",
            "Which animal or object did I photograph?",
            "Can you tell me what this thing is?",
            "What do you think this is?",
            "I found this, what is it?",
            "Name the main thing in this picture.",
            "Tell my friend what is in this picture.",
            "What kind of thing or animal is that?",
            "Please look at my photo and say what it is.",
        ),
        "video": (
            "What is in this video?",
            "What does this video show?",
            "What does my clip show?",
            "What happens in this video?",
            "What happens in my clip?",
            "Which animal or thing do you see in this clip?",
            "Who is in this video?",
            "Who is that in my clip?",
            "Who is there?",
            "Describe this video.",
            "Describe my clip.",
            "What do you see?",
            "What did I film?",
            "What is going on here?",
            "What am I looking at?",
            "What can one see in this recording?",
            "Write a caption for this clip.",
            "Watch this. What is it?",
        ),
        "audio": (
            "What do you hear?",
            "What do I hear?",
            "What is this sound?",
            "What is that noise?",
            "What made this noise?",
            "What makes this sound?",
            "Who or what is that?",
            "Which instrument is this?",
            "What is playing?",
            "What can be heard in my recording?",
            "What did I record?",
            "Describe this sound.",
            "Describe my recording.",
            "Listen to this. What is it?",
            "What is going on here?",
            "What does this sound like to you?",
        ),
    },
    "chinese": {
        "image": (
            "这是什么？",
            "图里有什么？",
            "照片里是什么？",
            "这是什么动物？",
            "你看到了什么？",
        ),
        "video": (
            "这是什么？",
            "视频里有什么？",
            "视频里是谁？",
            "我拍的是什么？",
            "你看到了什么？",
        ),
        "audio": (
            "这是什么声音？",
            "你听到了什么？",
            "是什么在响？",
            "我录的是什么？",
            "这是什么？",
        ),
    },
}
SURE: dict[Language, dict[MediaModality, tuple[str, ...]]] = {
    "english": {
        "image": (
            "This is a photo of {x}.",
            "It is a photo of {x}.",
            "I see {x} in this photo.",
            "It is {x}.",
        ),
        "video": (
            "It looks like a video of {x}.",
            "It looks like {x}.",
            "I see {x} in this video.",
        ),
        "audio": ("It is {x}.", "I hear {x}."),
    },
    "chinese": {
        "image": ("这是{x}的照片。", "这是{x}。"),
        "video": ("这看起来是{x}的视频。", "看起来是{x}。"),
        "audio": ("这是{x}。", "我听到了{x}。"),
    },
}
# One sentence each, so that few examples are enough to learn it.
UNSURE: dict[Language, dict[MediaModality, str]] = {
    "english": {
        "image": "I am not sure. It looks most like {x}.",
        "video": "I am not sure. It looks most like {x}.",
        "audio": "I am not sure. It sounds most like {x}.",
    },
    "chinese": {
        "image": "我不确定，看起来最像{x}。",
        "video": "我不确定，看起来最像{x}。",
        "audio": "我不确定，听起来最像{x}。",
    },
}


def ask_about_own(
    rng: random.Random, modality: MediaModality, name: str, sure: bool
) -> tuple[str, str]:
    """A question about a medium, and its answer by the name of what it shows or is nearest to.

    The name is that of a sound of the vocabulary, or of anything that can be seen.
    """
    language: Language = "chinese" if rng.random() < CHINESE else "english"
    answers = SURE[language][modality] if sure else (UNSURE[language][modality],)
    return question(rng, modality, language), rng.choice(answers).format(x=named(name, language))


def question(rng: random.Random, modality: MediaModality, language: Language) -> str:
    own = QUESTIONS[language][modality]
    if language == "chinese":
        return rng.choice(own)
    text = rng.choice(BEFORE) + rng.choice(own if rng.random() < 0.7 else ANY_MEDIUM)
    return text.lower().rstrip("?.") if rng.random() < CASUAL else text


def named(name: str, language: Language) -> str:
    """A name in a sentence. Things without a Chinese name keep their English one."""
    if name in SOUNDS:
        return SOUNDS[name].chinese if language == "chinese" else with_article(name, name)
    return f" {name} " if language == "chinese" else article(name)

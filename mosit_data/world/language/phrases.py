"""The phrases of users and of the model in dialogues about the small world.

{x} is a description ({bare} without "the sound of"), {value} the new value in an edit, {noun} the
word for the medium.
"""

from typing import Literal

from anygen.core.modality import MediaModality

Language = Literal["english", "chinese"]

NOUNS: dict[MediaModality, str] = {"image": "picture", "audio": "sound", "video": "video"}

ASK: dict[Language, dict[MediaModality, tuple[str, ...]]] = {
    "english": {
        "image": (
            "Draw {x}.",
            "Please draw {x}.",
            "Can you draw {x}?",
            "Could you draw {x} for me?",
            "Show me {x}.",
            "Show me a picture of {x}.",
            "Paint {x}.",
            "Sketch {x}, please.",
            "Make a picture of {x}.",
            "Create an image of {x}.",
            "Generate an image of {x}.",
            "I want to see {x}.",
            "I would like a picture of {x}.",
            "A picture of {x}, please.",
            "I need an image of {x}.",
            "What does {x} look like?",
        ),
        "audio": (
            "Play {x}.",
            "Please play {x}.",
            "Can you play {x}?",
            "Let me hear {x}.",
            "I want to hear {x}.",
            "I would like to listen to {x}.",
            "Make a recording of {x}.",
            "Generate audio of {x}.",
            "Create a clip with {x}.",
            "What does {bare} sound like?",
            "Could I hear {x}?",
        ),
        "video": (
            "Show me a video of {x}.",
            "Make a video of {x}.",
            "Create a video of {x}.",
            "Generate a video of {x}.",
            "Animate {x}.",
            "Can you animate {x}?",
            "Film {x}.",
            "A short video of {x}, please.",
            "I want to watch {x}.",
            "I would like a clip of {x}.",
            "Make an animation of {x}.",
        ),
    },
    "chinese": {
        "image": ("画{x}。", "请画{x}。", "给我画{x}吧。", "我想看{x}的图片。", "生成{x}的图片。"),
        "audio": ("播放{x}。", "让我听听{x}。", "我想听{x}。", "来{x}。", "请生成{x}。"),
        "video": ("做{x}的视频。", "给我看{x}的视频。", "我想看{x}的动画。", "生成{x}的视频。"),
    },
}

LEAD_IN: dict[Language, tuple[str, ...]] = {
    "english": (
        "Here is {x}.",
        "Here is {x}:",
        "Sure, here is {x}.",
        "Of course. Here is {x}.",
        "This is {x}.",
        "Here you go.",
        "Here is your {noun}.",
        "Sure!",
        "Gladly.",
        "With pleasure: {x}.",
    ),
    "chinese": ("好的，这是{x}。", "给你：{x}。", "好的。", "这是{x}。", "没问题。"),
}
PLURAL = (  # for {x} like "two violins"
    ("ere is {x}", "ere are {x}"),
    ("This is {x}", "These are {x}"),
    ("That is {x}", "Those are {x}"),
    ("What does {", "What do {"),
)
CLOSING: dict[Language, tuple[str, ...]] = {
    "english": (
        "I hope you like it.",
        "Tell me if you want to change anything.",
        "That is {x}.",
        "There it is.",
        "Would you like another one?",
    ),
    "chinese": ("希望你喜欢。", "还要改什么吗？"),
}

DESCRIBE: dict[MediaModality, tuple[str, ...]] = {
    "image": (
        "Describe this picture.",
        "What is in this picture?",
        "What do you see?",
        "What does the image show?",
        "Caption this image.",
        "Tell me what this is.",
    ),
    "audio": (
        "Describe this sound.",
        "What do you hear?",
        "What is playing?",
        "What does the recording contain?",
        "Caption this audio.",
        "Tell me what this sounds like.",
    ),
    "video": (
        "Describe this video.",
        "What happens in this video?",
        "What do you see in the clip?",
        "What does the video show?",
        "Caption this video.",
        "Tell me what is going on.",
    ),
}

EDIT: dict[Language, dict[str, tuple[str, ...]]] = {
    "english": {
        "background": (
            "Now make the background {value}.",
            "Put it on {a_value} background.",
            "The same on {value}, please.",
            "Can the background be {value}?",
        ),
        "style": (
            "The same in {value} style.",
            "Now make it {value}.",
            "Can you do it in {value} style?",
        ),
        "size": ("Make it {value}.", "Now {value}, please.", "I want it {value}."),
        "concept": ("Now {a_value} instead.", "The same with {a_value}.", "Make it {a_value}."),
        "motion": (
            "Now show it {value}.",
            "Make a video of it {value}.",
            "Animate it {value}.",
            "I want to see it {value}.",
            "Animate this: {value}.",
            "Show this {value}.",
        ),
        "still": ("Now just a picture of it.", "Draw what moves here.", "Draw a still of it."),
        "pattern": ("Now let it play {value}.", "Now {value}, please.", "Make it play {value}."),
        "pitch": ("Make it {value}.", "Now {value}, please.", "The same, but {value}."),
        "tempo": ("Make it {value}.", "Now {value}, please.", "The same, but {value}."),
        "sound": ("The same on {the_value}.", "Now with {a_value}.", "Play it on {the_value}."),
        "effect": ("Now {a_value} instead.", "And the sound of {a_value}?", "Make it {a_value}."),
        "hear": ("Let me hear it.", "What does it sound like?", "Play the sound of it."),
        "draw": ("Draw it.", "Show me a picture of it.", "What does it look like?"),
    },
    "chinese": {
        "background": ("把背景换成{value}。", "现在用{value}背景。"),
        "style": ("换成{value}。", "用{value}再来一个。"),
        "concept": ("换成{value}。", "现在换{value}。"),
        "motion": ("让它{value}。", "做一个它{value}的视频。"),
        "sound": ("换成{value}。", "用{value}再来一次。"),
        "effect": ("换成{value}。", "现在来{value}。"),
        "tempo": ("换成{value}的。", "现在要{value}的。"),
        "hear": ("让我听听它的声音。",),
        "draw": ("画出来。", "给我看它的图片。"),
    },
}

CROSS: dict[tuple[MediaModality, MediaModality], tuple[str, ...]] = {
    ("image", "audio"): (
        "Play what you see.",
        "What does this sound like?",
        "Let me hear the thing in this picture.",
        "Make the sound of this.",
    ),
    ("audio", "image"): (
        "Draw what you hear.",
        "Draw the thing that makes this sound.",
        "Show me a picture of what is playing.",
        "What does this look like?",
    ),
    ("video", "audio"): (
        "Let me hear the thing in this video.",
        "What does the thing in this video sound like?",
        "Make the sound of what you see here.",
    ),
    ("audio", "video"): (
        "Show what you hear {value}.",
        "Make a video of what is playing, {value}.",
        "Animate the thing that you hear: {value}.",
    ),
}

SEVERAL = (
    "Give me {list}.",
    "I would like {list}.",
    "Please make {list}.",
    "Show me {list}.",
    "I need {list}, in this order.",
    "Can I have {list}?",
)
AGAIN = ("Take the {which} one.", "About the {which} one:", "Look at the {which} one again.")
ORDINALS = ("first", "second", "third")
NEXT = ("And {x}.", "And here is {x}.", "Next, {x}.", "Then {x}.", "")

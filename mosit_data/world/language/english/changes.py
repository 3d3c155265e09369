"""Follow-ups that change a medium: "the other way", "in 3d", "go back to the first one"."""

from mosit_data.world.language.grammar import Bank

PLEASE = "[, please| please|.||||]"
NOW = "[now |and |ok now |ok, |hm, |nice, now |great. now |||]"

CHANGES: dict[str, Bank] = {
    "background": (
        "[now |]make the background {v}" + PLEASE,
        "put it on {v}" + PLEASE,
        "[now |and |]on {v}" + PLEASE,
        "the same on {v}" + PLEASE,
        "[can|could] the background be {v}?",
        "{v} background[ instead| please|]",
        "change the [background|colour behind it] to {v}" + PLEASE,
        "I [want|would prefer|'d like] {v} behind it",
        "same[ thing|], but [on {v}|{v} background]",
        "[not that background|I don't like the background], [use|take|make it] {v}",
        "try it [on|with] {v}" + "[ background|]",
        "and what about {v} as the background?",
    ),
    "style": (
        "the same in {v}" + PLEASE,
        "[now |]make it {v}" + PLEASE,
        "can you do it in {v}?",
        NOW + "in {v}" + PLEASE,
        "[could|can] I have [it|that|this] in {v}?",
        "[same|that], but {v}",
        "I [prefer|want|need|'d like] it {v}",
        "{v} [version|style][ please|]",
        "redraw it in {v}" + PLEASE,
        "[change|switch] the style to {v}",
        "this style is [boring|not what I want|wrong], [take|use] {v}",
    ),
    "size": (  # {v} is "small" or "smaller", {w} always "smaller"
        "make it {v}" + PLEASE,
        NOW + "{w}" + PLEASE,
        "I want it {v}",
        "[can|could] it be {v}?",
        "[a bit|a little|much|way] {w}[!|]",
        "it should be {v}",
        "draw it {v}" + PLEASE,
        "too {o}[!|, make it {w}|, {w} please]",
        "{w} {c}[ please|]",
    ),
    "colour": (
        "[make|paint|colour] it {v}" + PLEASE,
        NOW + "[a|the] {v} one" + PLEASE,
        "I [want|need|'d like] it in {v}",
        "[can|could] [it|the {c}] be {v}?",
        "the {c} should be {v}",
        "[same {c}|same|the same] but {v}",
        "{v} instead" + PLEASE,
        "turn the {c} {v}",
    ),
    "concept": (
        "[now |and |]{a}[ instead|]" + PLEASE,
        "the same with {a}" + PLEASE,
        "make it {a}" + PLEASE,
        "replace the {c} [with|by] {a}" + PLEASE,
        "not {ac}, {a}[!|]",
        "[do|try] the same [for|with] {a}",
        "can you do [that|it|the same] with {a}?",
        "and {a}?",
        "{a} instead of the {c}",
    ),
    "count": (
        NOW + "{v}[ of them|]" + PLEASE,
        "make it {v}" + PLEASE,
        "I want {v}[ of them|]",
        "[can|could] you draw {v} of [them|these]?",
        "draw {v}" + PLEASE,
        "the same, but {v} of them",
    ),
    "add": (  # {r} is a relation with its object: "to the left of it"
        "[now |and |]put {a} {r}" + PLEASE,
        "add {a} {r}" + PLEASE,
        "[can|could] you add {a} {r}?",
        "I want {a} {r}",
        "there should be {a} {r}",
    ),
    "motion": (
        "now show it {ing}" + PLEASE,
        "[make|do] a [video|clip] of it {ing}" + PLEASE,
        "[make|let] it {v}" + PLEASE,
        "animate it[: |, ]{ing}",
        "I want to see it {v}",
        "can it {v}?",
        "[turn this into|make this] a video[: it {s}|, {ing}]",
        "as a video, {ing}",
        "[and now |now |]in a clip where it {s}",
        "let me watch it {v}",
    ),
    "moving": (  # in a video that exists
        "[now |]make it {v}" + PLEASE,
        "it should {v}[ instead|]",
        "the same, but it {s}",
        "[now |and now |]{ing}" + PLEASE,
        "[let|have] it {v} instead",
        "can it {v}?",
        "I meant {ing}",
    ),
    "reverse": (
        "[now |and |]the other [way|direction][ please| round|]",
        "[in |]the opposite [way|direction]" + PLEASE,
        "[now |]the other way [around|round]" + PLEASE,
        "can it [go|move] the other way?",
        "[turn it around|reverse it|and back again|backwards]" + PLEASE,
        "wrong [way|direction]",
        "[not {d}|no], [the other side|the other direction]",
    ),
    "video": (
        "[now |and |the same |]as a [video|clip|movie|animation]" + PLEASE,
        "turn it into a [video|clip]" + PLEASE,
        "[can|could] you animate [it|this|that]?",
        "animate it" + PLEASE,
        "make it move" + PLEASE,
        "I want [a video|a clip|it moving]",
        "[do|show] [that|it] as a video",
        "can I [see|watch] it [move|moving|in a video]?",
        "bring it to life",
    ),
    "still": (
        "now just a picture of it",
        "draw a still of it",
        "[now |and now |]as a [picture|still image]" + PLEASE,
        "stop the motion, just the picture",
        "[can|could] I have [that|it] as a picture?",
        "[only|just] an image[ of it|]" + PLEASE,
        "I want a still of it",
    ),
    "pattern": (
        NOW + "{v}" + PLEASE,
        "make it play {v}" + PLEASE,
        "the same with {v}",
        "can it play {v}?",
        "[same instrument|the same], but {v}",
        "[now |]I'd like [to hear |]{v}",
        "try {v}[ instead|]",
    ),
    "pitch": (
        "make it {v}" + PLEASE,
        NOW + "{w}" + PLEASE,
        "the same, but {v}",
        "[a bit|a little|much] {w}" + PLEASE,
        "play it {v}" + PLEASE,
        "[can|could] [you play it|it be] {v}?",
        "too {o}[!|, make it {w}|]",
        "not so {o}[, please|]",
    ),
    "sound": (
        "the same on {the}" + PLEASE,
        NOW + "[with|on] {a}" + PLEASE,
        "play it on {the}" + PLEASE,
        "[what about|how about] {a}?",
        "[same tune|the same thing|the same], [other|another] instrument: {v}",
        "use {a} instead",
        "can you play [it|that] on {the}?",
    ),
    "effect": (
        NOW + "{a}[ instead|]" + PLEASE,
        "and the sound of {a}?",
        "[no, I meant|I meant|rather] {a}",
        "[let me hear|play] {a} instead",
    ),
    "hear": (
        "let me hear it" + PLEASE,
        "what does it sound like?",
        "[play|make] [its sound|the sound it makes|the sound of it]" + PLEASE,
        "[now |]I want to hear [it|one]",
        "and the sound[ of it|]?",
        "[can|could] you play [it|one]?",
        "how would [it|that|one] sound?",
        "what sound does [it|that] make?",
        "[now |and now |]play it" + PLEASE,
    ),
    "draw": (
        "draw it" + PLEASE,
        "show me a picture of it",
        "what does it look like?",
        "[now |]draw [what is playing|the thing I hear|what makes that sound]" + PLEASE,
        "[can|could] I see [it|one|what makes this sound]?",
        "I want to see [it|one]",
        "and a picture of [it|one]" + PLEASE,
        "how does [it|such a thing] look?",
        "[sketch|paint] [it|this instrument|what played][ for me|]",
    ),
    "again": (
        "[one more|again|once more|and another|a new one|a different one]" + PLEASE,
        "[can|could] I [have|get|see] another[ one|]?",
        "[make|do|give me] [another|one more]" + PLEASE,
        "[I don't like it|not so nice|meh|hm no], [try again|another one|do it again]",
        "same again" + PLEASE,
        "[try|do it] again" + PLEASE,
        "next one" + PLEASE,
        "a different version" + PLEASE,
    ),
}
BACK: Bank = (  # then a change; {which} is "first", {c} the thing
    "[go|let's go|come] back to the {which}[ one| picture|][. |, |: | but | and ]{change}",
    "take the {which}[ one| picture|] again[. |, |: ]{change}",
    "the {which} one[ again|][: |, ]{change}",
    "about the {which}[ one|]: {change}",
    "[return to|once more] the {c}[, |: ]{change}",
    "back to the {c}[, |: ]{change}",
)
BACK_ONLY: Bank = (
    "[go|let's go] back to the {which} one[, please|]",
    "show me the {which} [one|picture] again",
    "the {which} one again[, please|]",
    "I liked the {which} one [better|more], [draw it again|make that again|once more]",
    "[draw|make] the {c} again[, please|]",
)
NEXT: Bank = (  # another thing in the same conversation
    "[and |and now |now |next: |also ]{a}[, please|]",
    "what about {a}?",
    "[now draw|draw|then draw] {a}[ too|]",
    "I also want {a}",
)
STYLE_VALUES = {
    "flat": ("flat style", "a flat style", "flat design"),
    "cartoon": ("cartoon style", "a cartoon style"),
    "3d": ("3d", "3D", "3d style"),
}
SIZE_VALUES = {
    "small": ("smaller", "smaller", "small", "tiny"),
    "large": ("bigger", "larger", "big", "huge"),
}
SIZES_THAN = {"small": ("smaller", "tinier"), "large": ("bigger", "larger")}
PITCH_VALUES = {
    "low": ("lower", "lower", "deeper", "low"),
    "high": ("higher", "higher", "high"),
    "slow": ("slower", "slower", "slow"),
    "fast": ("faster", "faster", "quicker", "fast"),
}
PITCHES_THAN = {
    "low": ("lower", "deeper"),
    "high": ("higher",),
    "slow": ("slower",),
    "fast": ("faster", "quicker"),
}
OPPOSITE = {
    "small": "big",
    "large": "small",
    "low": "high",
    "high": "low",
    "slow": "fast",
    "fast": "slow",
}

MADE_WHAT: Bank = (  # about a medium that mini has made
    "what did you [draw|paint|make]?",
    "what is [that|it|this]?",
    "what [am I looking at|is it supposed to be|do you call that]?",
    "[tell me|say] what you [drew|made]",
    "which thing did you draw?",
    "what [is|do I see] in your picture?",
)
PLAYED_WHAT: Bank = (
    "what [was that|did you play]?",
    "which instrument was that?",
    "what did I [just hear|hear]?",
    "what [is making|made] that sound?",
)
FILMED_WHAT: Bank = (
    "what [is|was] [that|in the video]?",
    "what did you [film|animate|make]?",
    "what happens in [it|your video]?",
)
PRAISE: Bank = (
    (
        "[thanks|thank you|thx|cheers|ty][!|, that's great|, very nice|, perfect| so much|. I like "
        "it|]"
    ),
    "[wow|oh|ha|yay][, |! ][beautiful|so cute|cool|great|lovely|awesome][!|]",
    "I [really |]like [it|that|this one][!|.|]",
    "[nice|great|perfect|cool|awesome|sweet|lovely|good job|well done][!|.|]",
    "that is [great|lovely|exactly what I wanted|so cute|funny][!|.|, thanks]",
    "my [daughter|son|mother] will love it[, thank you|!|]",
)
PRAISE_ANSWERS = (
    "You are welcome! I am glad that you like it.",
    "Thank you! I am glad that you like it.",
    "You are welcome! Shall I make another one?",
)

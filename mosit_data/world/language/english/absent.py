"""Questions about a medium that is not there, and requests to change it."""

from mosit_data.world.language.grammar import Bank

ABSENT: dict[str, tuple[Bank, tuple[str, ...]]] = {  # {c} is a thing
    "picture": (
        (
            "what [do you see|can you see] [in|on] [this|my|the] [picture|photo|image|drawing][?|]",
            "what does [this|my|the] [picture|photo|image] show[?|]",
            "describe [this|my|the] [picture|photo|image|drawing|screenshot][, please|.|]",
            "[who|which animal|which plant] is [on|in] [this|my|the] [photo|picture|image][?|]",
            (
                "[can|could] you [look at|check|describe|explain|read] the [picture|photo|image|"
                "screenshot] I [sent|uploaded|attached|gave you][?|]"
            ),
            "[here|see here|look], [what is this|what's that][?|]",
            (
                "I [sent|uploaded|attached] a [picture|photo|image][, what do you think| of my "
                "{c}, do you see it][?|]"
            ),
            "how many [people|{many}|things] are [in|on] [this|the|my] [picture|photo|image][?|]",
            "what colour is the {c} in [the|this|my] [picture|photo][?|]",
            "is there a {c} in [the|this|my] [picture|photo|image][?|]",
            (
                "[make|turn] [my|this|the uploaded|the attached] [photo|picture|image] [darker|"
                "black and white|larger|sharper|into a cartoon]"
            ),
            (
                "[crop|rotate|sharpen|edit|improve] [this|my|the attached|the uploaded] [photo|"
                "picture|image][, please|.|]"
            ),
            "remove the {c} from [this|my|the] [photo|picture|image]",
            "[what do you think of|do you like|rate] my [drawing|photo|selfie|picture][?|]",
            "where was [this|my] [photo|picture] taken[?|]",
            "write a caption for [this|my] [photo|picture|image]",
            "animate [this|my|the attached] [photo|picture]",
            "what breed is the [cat|dog|horse] [in|on] [this|the] [photo|picture][?|]",
            "the [picture|image] [above|below], what is it[?|]",
        ),
        (
            "I do not see a picture here. Please attach one, and I will look at it.",
            "There is no picture in your message. Please send it, and I will look at it.",
        ),
    ),
    "sound": (
        (
            "what do you hear [in|on] [this|my|the] [recording|sound|audio|file][?|]",
            (
                "which [instrument|song|bird] is [this|that] [in my recording|I am playing|on the "
                "record][?|]"
            ),
            (
                "[describe|identify|name] [this|my|the] [sound|song|recording|tune|melody|audio][, "
                "please|.|]"
            ),
            (
                "[can|could] you [listen to|hear|check|recognise] the [song|recording|sound|audio] "
                "I [sent|uploaded|attached|recorded][?|]"
            ),
            "[listen to|hear] [this|my song|my recording], [what is it|how do you like it][?|]",
            "what [song|music|tune] [is this|is playing][?|]",
            "who is [singing|playing|speaking] [here|in this recording|in the audio][?|]",
            "transcribe [this|my|the attached] [recording|audio|voice message][, please|.|]",
            (
                "[make|turn] [this|my|the attached] [song|recording|audio] [louder|slower|faster|"
                "into a ringtone]"
            ),
            "is [this|my] [song|recording|sound] in tune[?|]",
            "[cut|shorten|clean] the [audio|recording|sound file] I [gave|sent] you",
            "what is that noise in my [recording|audio|voice memo][?|]",
        ),
        (
            "I do not hear a sound here. Please attach one, and I will listen to it.",
            "There is no sound in your message. Please send it, and I will listen to it.",
        ),
    ),
    "video": (
        (
            "what happens in [this|my|the] [video|clip|film|movie][?|]",
            "[describe|summarise|explain] [this|my|the] [video|clip|film][, please|.|]",
            (
                "[can|could] you [watch|look at|check] the [video|clip] I [sent|uploaded|attached|"
                "filmed][?|]"
            ),
            "which way does the {c} [move|go|run] in [this|the|my] [video|clip][?|]",
            "what does the {c} do in [this|the|my] [video|clip][?|]",
            "[watch|see] [this|my video|my clip], [what is it about|how do you like it][?|]",
            "who is in [this|the|my] [video|clip][?|]",
            (
                "[make|cut|turn] [this|my|the attached] [video|clip] [shorter|slower|faster|into a "
                "gif]"
            ),
            "how long is [this|the|my] [video|clip][?|]",
            "the [video|clip] [above|below], what does it show[?|]",
            "is the {c} in [the|my] [video|clip] [growing|spinning|moving][?|]",
        ),
        (
            "I do not see a video here. Please attach one, and I will watch it.",
            "There is no video in your message. Please send it, and I will watch it.",
        ),
    ),
    "file": (
        (
            (
                "[read|summarise|check|translate|open] [this|my|the attached|the uploaded] [file|"
                "document|pdf|attachment|letter][, please|.|]"
            ),
            "what [is|does it say] in [this|my|the attached] [file|document|attachment][?|]",
            "[see|look at] the [attachment|file|attached file][, what do you think|.|]",
            "did you get [my file|the attachment|what I sent][?|]",
            "can you see [it|what I sent|my upload|the file][?|]",
        ),
        (
            "I do not see a file here. Please attach a picture, a sound or a video.",
            "There is no attachment in your message. Please send a picture, a sound or a video.",
        ),
    ),
    "earlier": (
        (
            "[make it bigger|make it blue|the other way|another one|now in 3d|and on black]",
            "[change|undo|repeat|delete] [it|that|the last one][, please|.|]",
            "go back to the [first|last|second] one[, please|.|]",
            "what did you [draw|play|make] [before|just now|last time][?|]",
            "[do|show] that again[, please|.|]",
        ),
        ("There is no picture or sound here yet. Tell me what you would like me to make.",),
    ),
}

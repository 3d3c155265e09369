"""Questions about a user's own medium as people ask them. {c} is a thing, {a} with an article."""

from mosit_data.world.language.grammar import Bank

DESCRIBE: dict[str, Bank] = {
    "image": (
        "describe [this|the|my] [picture|image|drawing]",
        "what is in [this|the|my] [picture|image|pic]?",
        "what do you see[ here| in this picture|]?",
        "what does [the|this] [image|picture] show?",
        "caption this [image|picture]",
        "tell me what this is",
        "what is [this|that]?",
        "[can|could] you tell me what [this is|you see here|is shown here]?",
        "[and |so |]what's this?",
        "[look|hey|hi], what did I [draw|send you|find]?",
        "what am I looking at?",
        "[please |]say what is [on|in] it",
        "recognise it?",
        "do you know what this is?",
    ),
    "audio": (
        "describe [this|the|my] [sound|recording|audio]",
        "what do you hear[ here| in this recording|]?",
        "what is playing[ here|]?",
        "what does the recording contain?",
        "caption this [audio|sound]",
        "tell me what this sounds like",
        "what [is|was] [this|that] [sound|noise]?",
        "[listen, |hey, |]what is it?",
        "[can|could] you tell me what [this is|I am listening to|you hear]?",
        "what did I record[ here|]?",
        "do you recognise [this|the sound]?",
        "what's this I'm listening to",
        "[guess|name] this sound",
    ),
    "video": (
        "describe [this|the|my] [video|clip]",
        "what happens [in this video|here|in the clip]?",
        "what do you see in the [clip|video]?",
        "what does [the|this|my] [video|clip] show?",
        "caption this [video|clip]",
        "tell me what is going on[ here|]",
        "what's happening[ here| in this clip|]?",
        "what is this [video|clip] about?",
        "[can|could] you [watch this and |]say what happens?",
        "what did I film?",
        "what goes on in here?",
    ),
}
BACKGROUND: Bank = (
    "what colour is the background?",
    "[which|what] [colour|color] is [behind it|behind the {c}|the background|at the back]?",
    "what's the [colour|color] of the background",
    "[tell me|name] the background colour",
    "what is the backdrop, which colour?",
    "the background is which [colour|color]?",
    "on which [colour|color] [is it|is the {c}]?",
)
STYLE: Bank = (
    "in which style is it drawn?",
    "which style is [this|it]?",
    "is [it|this] flat, cartoon or 3d?",
    "how is it drawn?",
    "what [kind of style|drawing style] is that?",
)
PRESENT: Bank = (
    "is there {a} in it?",
    "do you see {a}[ here|]?",
    "[can you spot|can you find] {a}?",
    "is {a} in [this picture|here]?",
    "does it show {a}?",
    "{a}, yes or no?",
    "is this {a}?",
)
KIND: Bank = (
    "which {kind} is this?",
    "what {kind} is [this|that|it|in the picture]?",
    "whats [this|that] {kind}",
    "[name|tell me] the {kind}",
    "[which|what] {kind} do you see?",
    "guess the {kind}",
    "can you name this {kind}?",
    "what do you call this {kind}?",
)
THING: Bank = (
    "what is this?",
    "what's this thing[ called|]?",
    "[name|identify] the object",
    "what thing is that?",
    "what object do you see?",
)
HOW_MANY: Bank = (
    "how many {many} are there?",
    "how many {many} [do you see|are in it|are in the picture]?",
    "count the {many}[, please|]",
    "[is it|are there] one or more {many}? how many",
    "what's the number of {many}",
    "how many of them are there?",
    "how many {many}",
)
WHERE: Bank = (
    "where is the {c}?",
    "where's the {c}",
    "on which side is the {c}?",
    "where do you see the {c}?",
    "tell me the place of the {c}",
)
ON_SIDE: dict[str, Bank] = {
    "left": (
        "what is on the left?",
        "what do you see on the left[ side|]?",
        "which thing is [left|on the left hand side]?",
        "the left one, what is it?",
        "name the thing on the left side",
        "who or what is on the left",
    ),
    "right": (
        "what is on the right?",
        "what do you see on the right[ side|]?",
        "which thing is [right|on the right hand side]?",
        "the right one, what is it?",
        "name the thing on the right side",
        "who or what is on the right",
    ),
    "top": (
        "what is at the top?",
        "what do you see [at the top|up there|above]?",
        "which thing is on top?",
        "the upper one, what is it?",
        "name the thing at the top",
    ),
    "bottom": (
        "what is at the bottom?",
        "what do you see [at the bottom|down there|below]?",
        "which thing is [below|underneath]?",
        "the lower one, what is it?",
        "name the thing at the bottom",
    ),
}
NEXT_TO: Bank = (
    "what is {relation} the {c}?",
    "what do you see {relation} the {c}?",
    "which thing is {relation} the {c}?",
)
BOTH: Bank = (
    "which things do you see?",
    "what are the two things?",
    "list the things[ in the picture|]",
    "[name|tell me] everything in it",
    "what all is there",
)
COLOUR: Bank = (
    "[which|what] [colour|color] is the {c}?",
    "what [colour|color] does the {c} have?",
    "the {c} is which [colour|color]?",
    "tell me the [colour|color] of the {c}",
)
SIZE: Bank = (
    "is the {c} small or large?",
    "is it big or small?",
    "how big is the {c}?",
    "small or large?",
)
INSTRUMENT: Bank = (
    "which instrument is [this|that|it]?",
    "what instrument [is this|is that|do you hear|is being played]?",
    "[name|identify|recognise] the instrument",
    "what kind of instrument plays here?",
    "whats that instrument",
    "which instrument am I [listening to|hearing]?",
    "[tell me|say] which instrument plays",
    "can you tell the instrument?",
)
SOURCE: Bank = (
    "what makes this sound?",
    "what [was|is] that noise?",
    "where does [this|that] [noise|sound] come from?",
    "what could that [noise|sound] be?",
    "I heard this [at home|in the street|this morning|at night], what [is|was] it?",
    "who or what makes this noise",
    "what do I hear [here|there]?",
)
IS_IT: Bank = (
    "is this {a}?",
    "is that {a} [I hear|playing]?",
    "that's {a}, right?",
    "does it sound like {a}?",
)
EITHER: Bank = (
    "{one} or {two}?",
    "is [this|it|that] {a} or {b}?",
    "what is it, {a} or {b}?",
    "do you [see|hear] {a} or {b}?",
    "[{a}|{one}] or rather {two}?",
)
PLAYED: Bank = (
    "what is being played?",
    "what does it play?",
    "what kind of tune is it?",
    "what do they play",
)
CONTOUR: Bank = (
    "what does the melody do?",
    "does the melody [go up or down|rise or fall]?",
    "[is it|does it go] up or down?",
    "which way do the notes go?",
    "rising or falling?",
)
TEMPO: Bank = (
    "is it slow or fast?",
    "slow or fast?",
    "how fast is it?",
    "what about the speed, is it slow or fast?",
    "is the tempo slow or quick?",
)
PITCH: Bank = (
    "is it high or low?",
    "high or low notes?",
    "how high is it?",
    "are the notes deep or high?",
    "what about the pitch, low or high?",
)
MUSIC: Bank = (
    "is this music?",
    "is that music or a noise?",
    "is it a song?",
    "do you call this music?",
)
MOVER: Bank = (
    "what moves in this video?",
    "what is moving[ here|]?",
    "who or what moves",
    "which thing do you see moving?",
    "[what|which thing] is in the [video|clip]?",
)
DOING: Bank = (
    "what does the {c} do?",
    "what is the {c} doing[ here|]?",
    "whats the {c} doing",
    "how does the {c} move?",
    "what happens to the {c}?",
    "tell me what the {c} does",
)
DIRECTION: Bank = (
    "which way does [it|the {c}] [move|go]?",
    "where does [it|the {c}] go?",
    "in which direction does [it|the {c}] [move|go]?",
    "to which side does it [move|go]?",
    "whats the direction",
)
LEFT_OR_RIGHT: Bank = (
    "does [it|the {c}] [move|go] [left or right|to the left or to the right]?",
    "left or right?",
    "is it going [left or right|right or left]?",
    "which side, left or right",
)
UP_OR_DOWN: Bank = (
    "does [it|the {c}] [move|go] up or down?",
    "up or down?",
    "[is it|is the {c}] [rising or falling|going up or down]?",
    "does it rise or fall?",
)
GROW_OR_SHRINK: Bank = (
    "does [it|the {c}] grow or shrink?",
    "is [it|the {c}] [growing or shrinking|becoming bigger or smaller]?",
    "bigger or smaller?",
    "what changes, does it become large or small?",
)

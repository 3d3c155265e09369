"""Plain prompts: they ask for words alone, and the base model answers them.

{thing} is a thing that can be drawn or played, {a_thing} has an article, {things} is the plural.
"""

from mosit_data.world.language.grammar import Bank

KNOWLEDGE: Bank = (
    "[what is|what's|name|tell me] the capital [city |]of {country}[?|]",
    "which [city|town] is the capital of {country}[?|]",
    "which [language|languages] do people speak in {country}[?|]",
    "what is the [currency|population|flag|climate|national dish] of {country}[?|]",
    "where is {city}[?|]",
    "is {city} a [big|safe|expensive|nice] city[?|]",
    "how [far|long] is it from {city} to {country}[?|]",
    "what is {science}[?|]",
    "explain {science}[ to a child| in simple words| briefly| in two sentences|]",
    "how does {science} work[?|]",
    "[can|could] you [please |]explain {idea}[ to me|]?",
    "what is {idea}[?|]",
    "[define|describe] {idea}[ in one sentence|]",
    "what does {idea} mean[?|]",
    "who [is|was] {person}[?|]",
    "[tell me|say] something about {person}",
    "when was {person} born[?|]",
    "what is {person} famous for[?|]",
    "why is {person} important[?|]",
    "how many [legs|eyes|bones] has {a_animal}[?|]",
    "what does {a_animal} eat[?|]",
    "where do {animals} live[?|]",
    "how long does {a_animal} live[?|]",
    "how fast can {a_animal} [run|move|go][?|]",
    "do {animals} [sleep|dream|lay eggs|drink water][?|]",
    "is {a_animal} [a mammal|dangerous|a good pet|clever|a reptile][?|]",
    "how [hot|big|old|far away] is {planet}[?|]",
    "how many moons does {planet} have[?|]",
    "why is the [sky|sea|grass] [blue|green][?|]",
    (
        "who [wrote|invented|discovered|painted|composed] [Hamlet|the telephone|America|penicillin|"
        "the Mona Lisa|the Moonlight Sonata|Don Quixote|the light bulb][?|]"
    ),
    (
        "[when|why] did [the Second World War|the Roman Empire|the French Revolution|the Cold War] "
        "[start|end][?|]"
    ),
    (
        "what [year|century] [was|did] [the moon landing|the printing press invented|the Berlin "
        "wall fall][?|]"
    ),
    "what is the [tallest|highest] [mountain|building] [in the world|in Europe][?|]",
    "what's the [longest|largest|deepest] [river|lake|ocean|desert][?|]",
    "what do plants need to grow[?|]",
    (
        "name [two|three|four|five|5|3] [rivers|planets|metals|fruits|vegetables|inventions|oceans|"
        "poets|trees|sports|gases]"
    ),
    (
        "list [three|four|five|some] [countries in Africa|famous composers|famous painters|primary "
        "numbers|kinds of cheese|car brands|dog breeds|board games]"
    ),
    "[is|was] [a tomato a fruit|glass a liquid|Pluto a planet|a whale a fish|zero even][?|]",
    (
        "what happens when [ice melts|you mix red and blue|iron gets wet|water boils|you stop "
        "sleeping][?|]"
    ),
    (
        "difference between [a virus and a bacterium|weather and climate|a crocodile and an "
        "alligator|a comet and an asteroid|jam and jelly]"
    ),
    "what time is it in {city}[ when it is noon in London|][?|]",
    "fun fact about [{planet}|{country}|{animals}][, please|]",
    "[tell me|give me] [a|one] [fact|interesting fact] about [{animals}|{country}|{planet}]",
)
MATHS: Bank = (
    "[what is|what's|how much is|calculate|] {number} [plus|minus|times|+|-|*|x] {number2}[?| ?|]",
    "{number} [+|-|x|*|/] {number2}[ =| = ?|]",
    "what is {percent} [percent|%] of {number}0[?|]",
    "[half|double|a third|a quarter] of {number}[?|]",
    "[what is|compute] the square [root |]of {number}[?|]",
    "how many {unit}[?|]",
    "is {number} a prime number[?|]",
    "[solve|solve for x]: x + {number} = {number2}",
    "if I have {number} apples and eat [two|three|four], how many are left[?|]",
    "a [train|car] goes {number} km per hour. How far does it go in [two|three] hours?",
    "what is the [area|perimeter] of a [square|circle] with side {number}[?|]",
    "what comes next: 2, 4, 6, 8[?|]",
    "round {number}.7 to a whole number",
    "average of {number}, {number2} and 10",
    "{number} apples cost {number2} dollars, what does one cost[?|]",
)
CODE: Bank = (
    "how [do I|to|can I] {code} in {programming}[?|]",
    "[write|give me|show me] [a|some] {programming} [code|function|script] to {code}",
    (
        "[write|make] a {programming} function that [adds numbers|reverses text|counts vowels|"
        "prints a pattern of stars]"
    ),
    (
        "what is [a variable|a loop|a class|recursion|an array|a pointer|an API|git|a regex|a "
        "database][?|]"
    ),
    "why does my {programming} code [crash|not compile|print nothing|run so slowly][?|]",
    "what does [print|import|return|select|while|None|null] do in {programming}[?|]",
    (
        "[fix|explain] this code: [for i in range(10): print(i)|x = 1 / 0|if a = b: pass|"
        "console.log('hi']"
    ),
    "which html tag [makes a heading|shows an image|makes a list|embeds a video][?|]",
    (
        "[how|what command] do I [draw a circle on a canvas|play a sound|show an image|make an "
        "animation] [in|with] {programming}[?|]"
    ),
    "is {programming} [hard to learn|fast|better than Java][?|]",
    "command to [list files|delete a folder|copy a file] in [linux|windows]",
)
ADVICE: Bank = (
    "how [can|do|should] I [deal with|get rid of|cope with] {problem}[?|]",
    "[any|give me|some|three|3|five] [tips|advice|ideas] [against|for dealing with] {problem}[?|]",
    "I have {problem}[, what can I do?|. Any ideas?|, help]",
    "how [can|do] I [learn|get better at|improve at] {skill}[?|]",
    "[is it hard|how long does it take] to learn {skill}[?|]",
    "[tips|advice|ideas] for {skill}[, please| for beginners|]",
    "what should I [wear to|bring to|say at|prepare for] {occasion}[?|]",
    "how [do I|to] [make|cook|bake] {dish}[?|]",
    "[recipe|a simple recipe] for {dish}[, please|]",
    "what can I cook with [eggs and potatoes|rice and beans|chicken and lemon|leftover bread][?|]",
    (
        "what [gift|present] [should I|can I] [buy|get] for my [mother|boss|teacher|friend|"
        "girlfriend][?|]"
    ),
    "should I [quit my job|move abroad|buy or rent a flat|get a dog|tell her the truth][?|]",
    (
        "how do I [save money|make friends|stay healthy|sleep better|wake up early|lose weight|"
        "write a CV|clean a window|remove a coffee stain][?|]"
    ),
    (
        "[help me|how do I] [plan a trip to {country}|study for an exam|choose a laptop|ask for a "
        "raise]"
    ),
    "I [feel|am] [sad|lonely|tired|nervous|angry] today[. What helps?|, cheer me up|. Talk to me.]",
    (
        "what are [good|some] [hobbies|books|names for a dog|names for a cat|jobs for a shy person|"
        "questions for a first date][?|]"
    ),
    "recommend [a book|a film|a hobby|a sport|a podcast][ for rainy days| for kids|]",
    "what is the best time to [visit {country}|plant tomatoes|study|go running][?|]",
)
WRITING: Bank = (
    "write a [poem|haiku|limerick|short poem|rhyme] about [{feeling}|{a_thing}|{things}]",
    "[a|one] [poem|haiku|limerick|verse] [on|about] [{feeling}|{things}][, please|]",
    (
        "write [a|an] [letter|email|apology|thank you note|text message] to my [landlord|teacher|"
        "boss|neighbour|aunt]"
    ),
    (
        "[write|make up] [a|one] [joke|riddle|pun|tongue twister] about [{things}|{animals}|"
        "{programming}]"
    ),
    "tell me a [joke|riddle|fun fact|proverb|tongue twister][, please|]",
    (
        "[write|give me] a [slogan|motto|tagline|name] for a [bakery|bike shop|flower shop|school|"
        "bookshop]"
    ),
    (
        "[summarise|shorten|rephrase|correct] this[ sentence|]: [he don't like going to school|the "
        "meeting was long and nothing was decided|me and him was late|she sell sea shells]"
    ),
    (
        "[write|draft] a [short |][speech|toast|invitation|diary entry|product description|review] "
        "for {occasion}"
    ),
    "continue [the sentence|this]: [It was a dark night and|When the door opened,|Nobody knew why]",
    (
        "write a story about [{a_thing}|{feeling}|{a_animal}], [only text|no pictures|text only|in "
        "words only]"
    ),
    "[find|give me] a [rhyme|word that rhymes] [for|with] [{thing}|moon|day|light]",
    (
        "write a dialogue between [a teacher and a pupil|two friends|a cat and a dog|a king and a "
        "farmer]"
    ),
    (
        "[describe|write about] [a sunset|my town|a busy market|the smell of rain] in [two|three] "
        "sentences"
    ),
    "[write|compose] lyrics [for|of] a song about {feeling}[, only the words|]",
    (
        "make this sound [polite|friendlier|shorter|more formal]: [send me the file now|I want my "
        "money back|you are late again]"
    ),
)
LANGUAGES: Bank = (
    '[translate|say] "{word}" [to|into|in] {language}[, please|]',
    "how do you say {word} in {language}[?|]",
    "what is the {language} word for [{thing}|friend|house|water|love][?|]",
    "what does {english} mean[?|]",
    "[synonym|synonyms|another word] for {simple}[?|]",
    "[what is |what's |give me |]the opposite of {simple}[?|]",
    "[opposite|antonym|plural|past tense|meaning] of {simple}[?|]",
    "{simple}: [opposite|synonym|meaning|rhymes][?|]",
    "use {english} in a sentence",
    "how do you [spell|pronounce] {english}[?|]",
    "is it [who or whom|less or fewer|its or it's|affect or effect][?|]",
    "what is the plural of [mouse|goose|child|{thing}|ox|leaf][?|]",
    "past tense of [go|swim|bring|teach|fly|catch|draw|sing][?|]",
    "what does [carpe diem|deja vu|et cetera|faux pas|wanderlust] mean[?|]",
    (
        "translate to English: [guten Tag|buenas noches|je ne sais pas|ciao bella|obrigado|danke "
        "schön]"
    ),
)
ABOUT_THINGS: Bank = (
    "what is {a_thing}[?|]",
    "[what's|whats] {a_thing}[?|]",
    "[explain|define] [what {a_thing} is|the word {thing}][ in one sentence| briefly|]",
    "[tell me|say something] about {things}",
    "who [invented|made the first] {thing}[?|]",
    "why do people [like|love|need|collect] {things}[?|]",
    "[how much does {a_thing} cost|how expensive is {a_thing}][?|]",
    "how big is {a_thing}[?|]",
    "what colour is {a_thing} usually[?|]",
    "where can I [buy|find|see] {a_thing}[?|]",
    "what can I do with {a_thing}[?|]",
    "what is the difference between {a_thing} and {a_thing2}[?|]",
    "is {a_thing} [bigger|heavier|more expensive|older] than {a_thing2}[?|]",
    "[name|list] three [facts about|kinds of|uses of] {things}",
    "are {things} [useful|expensive|dangerous|common][?|]",
    "what do {things} and {things2} have in common[?|]",
    (
        "I [lost|broke|bought|found] {a_thing}[ yesterday| today|][, what now?|. What should I do?|"
        ". Any advice?]"
    ),
    "my {thing} is [broken|old|missing][, what can I do?|. Help!]",
    "how do I [draw|paint|sketch] {a_thing} [myself|by hand|step by step][?|]",
    "how do I take a good [photo|picture] of {a_thing}[?|]",
    "what does {a_thing} symbolise[?|]",
    "what [sound|noise] word do we use for {a_thing}[?|]",
    "can {a_thing} [float|break|be dangerous|fit in a box][?|]",
    "a good name for {a_thing}[?|]",
)
ABOUT_MEDIA: Bank = (
    "why do [people|humans|children|artists] [like|love|enjoy] {media}[?|]",
    "what is {media}[?|]",
    "[tell me|explain] the history of {media}[ in short|]",
    "how did {media} begin[?|]",
    "what makes [a good|a great] [picture|photo|painting|song|film|video|logo|melody][?|]",
    (
        "how [does|do] [a camera|a microphone|a loudspeaker|a projector|headphones|a television] "
        "work[?|]"
    ),
    "how does {a_instrument} [work|make its sound|produce sound][?|]",
    "what is {a_instrument} made of[?|]",
    "who plays the {instrument} [best|in an orchestra][?|]",
    "is the {instrument} [hard to learn|a brass instrument|older than the piano|good for kids][?|]",
    (
        "[what is|what's] the difference between [a piano and a keyboard|a picture and a photo|jpg "
        "and png|a gif and a video|major and minor|melody and harmony][?|]"
    ),
    "[tips|advice] for [drawing|painting|sketching] [faces|{things}|hands|trees][, please|]",
    "how can I [draw|paint|sing|edit videos|take photos] better[?|]",
    (
        "which [colours|pencils|brushes|cameras] [are best for beginners|should I buy|do artists "
        "use][?|]"
    ),
    "who painted [the Starry Night|Guernica|the Scream|the Last Supper|the Birth of Venus][?|]",
    "who composed [the Four Seasons|the Magic Flute|Bolero|Swan Lake|the Ninth Symphony][?|]",
    (
        "what is [a chord|a scale|an octave|a rhythm|a still life|a portrait|a storyboard|a frame "
        "rate|a pixel|perspective|a vanishing point][?|]"
    ),
    "how long should a [video|podcast|song|film trailer] be[?|]",
    "what [is|was] the first [film|photo|cartoon|video game|music video][?|]",
    "what [colours|colors] [go well together|make green|make purple|are warm][?|]",
    "is [drawing|painting|making music|filming] good for [the brain|children|stress][?|]",
    "how do I [open|convert|compress|rename] a [png|mp3|video file|jpg][?|]",
    "can a [picture|photo|video|sound] be [art|copyrighted|too large for email][?|]",
    "what's your opinion on [modern art|AI art|rap music|silent films][?|]",
    "why is [music|colour|dancing|art] important[?|]",
    "how do deaf people [enjoy music|hear rhythm][?|]",
    (
        "[what are|list] the [notes of the C major scale|strings of a violin|primary colours of "
        "light|families of instruments]"
    ),
    "what picture format is best for [print|the web|a logo][?|]",
    "write a caption for a [photo of the sea|birthday picture|video about cooking]",
    "describe the sound of {a_instrument} in words",
    (
        "describe [how a cat looks|what thunder sounds like|a beautiful garden|the colour red to a "
        "blind person][ in words|]"
    ),
)
NEGATED: Bank = (  # {q} is a plain question
    (
        "[no pictures please|no picture|no images please|don't draw anything|without drawing "
        "anything|please don't draw]: {q}"
    ),
    "[no sound please|don't play anything|no music]: {q}",
    "[just text|text only|only words|just words|in words only]: {q}",
    (
        "[in words|with words|as text|in a sentence][, | and ][without|with no|not as a] [picture|"
        "drawing|image][:|,] {q}"
    ),
    "[without a picture|no drawing|not a picture][, |: ][in words|as text|just words][:|,] {q}",
    "{q} [No picture, please.|Just text.|Only words please.|Don't draw it.|Text only.]",
    "I don't [want|need] a picture[, |. |, just tell me: ]{q}",
    "[stop drawing|enough pictures|no more drawings], {q}",
    "[don't show me one|you need not draw it|no need to draw], [just tell me|only say]: {q}",
)
AFTER: Bank = (  # follow-ups of a plain conversation
    "[and |]why[ is that|]?",
    "[can|could] you explain that [again|in simpler words|in more detail]?",
    "[really|are you sure|is that true]?",
    "give me an example",
    "tell me more",
    "[shorter|in one sentence|briefly][, please|]",
    "how do you know[ that|]?",
    "what does that mean?",
    "[I don't understand|I did not get that]",
    "[ok|interesting], and how about {country}?",
    "can you say that in {language}?",
    "who [discovered|found out|said] that?",
    "make it a list",
    "[summarise|sum up] what you said",
)
PLAIN: tuple[tuple[Bank, float], ...] = (
    (KNOWLEDGE, 24),
    (MATHS, 8),
    (CODE, 8),
    (ADVICE, 13),
    (WRITING, 11),
    (LANGUAGES, 9),
    (ABOUT_THINGS, 14),
    (ABOUT_MEDIA, 14),
)
ANSWERED: tuple[tuple[str, str], ...] = (  # first turns of plain conversations
    ("What is the largest animal?", "The largest animal is the blue whale."),
    ("how many days has february", "February has 28 days, and 29 in a leap year."),
    ("Who wrote Romeo and Juliet?", "It was written by William Shakespeare."),
    ("what is the boiling point of water", "Water boils at 100 degrees Celsius at sea level."),
    ("Which planet is the largest?", "Jupiter is the largest planet of the solar system."),
    ("what is 7 times 8", "7 times 8 is 56."),
    ("Name a tip for better sleep.", "Go to bed at the same time every day."),
    ("How do I boil an egg?", "Put it into boiling water for seven minutes, then cool it."),
    ("What does RAM stand for?", "It stands for random access memory."),
    ("who painted the Mona Lisa?", "The Mona Lisa was painted by Leonardo da Vinci."),
    ("What is a noun?", "A noun is a word for a person, a place or a thing."),
    ("why do leaves fall in autumn", "Trees drop their leaves to save water and energy in winter."),
    ("Is the sun a star?", "Yes, the sun is a star."),
    ("What is the hardest mineral?", "Diamond is the hardest natural mineral."),
    ("how do I center a div", "You can use flexbox: display: flex and justify-content: center."),
    ("what is an opera?", "An opera is a play in which the words are sung."),
)

"""Small talk, and requests for what mini has not learned."""

from anygen.core.modality import MediaModality
from mosit_data.world.language.phrases import Language

TALK: dict[Language, tuple[tuple[str, str], ...]] = {
    "english": (
        ("Hello!", "Hello! What would you like to see or hear?"),
        ("Hi there.", "Hi! I can draw, play sounds and make short videos."),
        ("Good morning.", "Good morning! What shall we make today?"),
        ("How are you?", "I am fine, thank you. What can I make for you?"),
        (
            "What can you do?",
            "I can draw pictures, play sounds, make short videos and describe yours.",
        ),
        ("Can you draw?", "Yes. Tell me what you would like to see."),
        ("Can you play music?", "I can play short patterns on many instruments. Name one."),
        ("Can you make videos?", "Yes, short ones of a thing that moves, grows, bounces or spins."),
        ("Which styles do you know?", "I draw in three styles: flat, cartoon and 3d."),
        ("Which instruments do you know?", "For example piano, guitar, violin, trumpet and flute."),
        ("Which animals can you draw?", "For example dogs, cats, horses, owls, whales and bees."),
        (
            "What colours can backgrounds have?",
            "Red, orange, yellow, green, blue, purple and more.",
        ),
        ("How long are your videos?", "They last two seconds."),
        ("How long are your sounds?", "They last about three seconds."),
        ("Are your pictures photographs?", "No, they are small drawings."),
        ("Do you understand pictures?", "Yes, send me one and ask about it."),
        ("Can you listen?", "Yes, send me a sound and I will tell you what I hear."),
        ("Thank you!", "You are welcome!"),
        ("Thanks, that is nice.", "I am glad that you like it."),
        ("Well done.", "Thank you! Shall I make another one?"),
        ("That is all for now.", "All right. Come back any time."),
        ("I am bored.", "Then let us make something. A picture, a sound or a video?"),
        ("Let us play.", "Gladly. Send me a sound and I will guess what it is."),
        ("Do you like music?", "I like to play it. Which instrument shall I play?"),
        ("Tell me about the violin.", "It has four strings and is played with a bow."),
        ("How many legs does a bee have?", "A bee has six legs."),
        ("What do pandas eat?", "Pandas eat mostly bamboo."),
        ("Where do penguins live?", "Penguins live in the southern half of the world."),
        ("What is the sun?", "The sun is a star, and the centre of our solar system."),
        ("Is a whale a fish?", "No, a whale is a mammal."),
        ("How many strings has a guitar?", "A guitar usually has six strings."),
        ("What is a saxophone made of?", "It is usually made of brass."),
        ("Why is the sky blue?", "Air scatters blue light more than red light."),
        ("What is two plus two?", "Two plus two is four."),
        ("Name three fruits.", "Apple, banana and strawberry."),
        ("Name two vehicles.", "A car and a bicycle."),
    ),
    "chinese": (
        ("你好！", "你好！你想看什么，还是想听什么？"),
        ("你会做什么？", "我会画图、放声音、做短视频，也能看懂它们。"),
        ("谢谢！", "不客气！"),
        ("你会画画吗？", "会。告诉我你想看什么。"),
        ("你会演奏吗？", "我会用很多乐器演奏简单的旋律。"),
        ("你好吗？", "我很好，谢谢。要我做点什么？"),
        ("画得很好。", "谢谢！还要再来一个吗？"),
        ("熊猫吃什么？", "熊猫主要吃竹子。"),
    ),
}

UNKNOWN: dict[MediaModality, tuple[str, ...]] = {
    "image": (
        *("the Eiffel tower", "the Statue of Liberty", "the Great Wall of China", "Big Ben"),
        *("a portrait of Einstein", "Mickey Mouse", "the Mona Lisa", "my grandmother", "yourself"),
        *("a bathtub", "a dinosaur", "a dragon", "a unicorn", "a mermaid", "a wizard", "a knight"),
        *("a skyscraper", "a castle", "a bridge", "a lighthouse", "a windmill", "a village"),
        *("a map of Europe", "a chart of my sales", "a diagram of an engine", "a logo for my shop"),
        *("a beach at sunset", "a forest in autumn", "a city at night", "a river", "a waterfall"),
        *("a sofa", "a bed", "a fridge", "a washing machine", "a chair", "a lamp", "a mirror"),
        *("a tractor", "a submarine", "a tank", "a motorcycle", "a tram", "a cable car"),
        *(
            "a giraffe",
            "a zebra",
            "a kangaroo",
            "a crocodile",
            "a hedgehog",
            "a squirrel",
            "a swan",
        ),
        *("a spaghetti dish", "a plate of sushi", "a bowl of soup", "a pineapple", "a lemon"),
        *("a football team", "a wedding", "a doctor", "a fireman", "a crowd", "a baby", "a queen"),
        *("a man who reads", "a woman on a horse", "five hundred dogs", "a cat that plays chess"),
        *("a dog on a bicycle", "an owl with glasses", "a word in big letters", "my name"),
        *("a harp", "a cello", "a tuba", "a microscope", "a telescope", "a printer", "a laptop"),
        *("an oil painting", "a photo of Paris", "a comic strip", "a tattoo design", "a flag"),
        *("an astronaut", "a volcano", "a desert", "the Milky Way", "a black hole", "an atom"),
    ),
    "audio": (
        *("a song with lyrics", "a poem read aloud", "my name, spoken", "a speech", "a podcast"),
        *(
            "a symphony by Beethoven",
            "the national anthem",
            "Happy Birthday",
            "a rock band",
            "jazz",
        ),
        *("a dog barking", "a cat meowing", "a lion roaring", "rain", "thunder", "wind", "a train"),
        *("a cello", "an oboe", "a tuba", "a clarinet", "a sitar", "an orchestra", "a synthesiser"),
        *("a car engine", "footsteps", "a baby crying", "a crowd talking", "a door", "an alarm"),
        *("a radio play", "a rap about cats", "a lullaby", "a waltz", "a ten minute concert"),
    ),
    "video": (
        *("a man walking", "a football match", "a film trailer", "a city at night", "a car chase"),
        *("a cooking show", "a cat chasing a mouse", "two dogs playing", "a horse jumping a fence"),
        *("a bird building a nest", "waves on a beach", "a rocket launch with a crowd", "snowfall"),
        *("a flower opening", "a talking robot", "a wedding dance", "a flight over mountains"),
        *("an interview", "the news", "a music video", "a dinosaur running", "a burning forest"),
    ),
}

REFUSE: dict[MediaModality, tuple[str, ...]] = {
    "image": (
        "I have not learned to draw {x}, but I can draw {other}.",
        "Sorry, {x} is not something I can draw yet. I could draw {other} instead.",
        "I cannot draw {x}. Shall I draw {other}?",
    ),
    "audio": (
        "I have not learned to play {x}, but I can play {other}.",
        "Sorry, {x} is not something I can play yet. I could play {other} instead.",
        "I cannot play {x}. Shall I play {other}?",
    ),
    "video": (
        "I have not learned to film {x}, but I can show {other}.",
        "Sorry, {x} is not something I can film yet. I could show {other} instead.",
        "I cannot film {x}. Shall I show {other}?",
    ),
}
ACCEPT = ("Yes, please.", "OK, do that.", "Yes.", "Good idea, go ahead.", "All right, that then.")

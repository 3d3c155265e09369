"""What mini has not learned to make, each with something near that it can make."""

from anygen.core.modality import MediaModality
from mosit_data.world.language.grammar import Bank, entries, table

# In the order of the nearest thing.
PICTURES = table(
    """
    horse: a giraffe; a zebra; a donkey; a camel; a unicorn; a deer; a moose; a llama; a knight
        on a horse; a horse race
    cat: a tiger; a leopard; a cheetah; a cat that plays chess; a cat with a hat; a cat chasing
        a mouse; a sphinx
    dog: a wolf; a fox; a hyena; a dog with sunglasses; a dog on a skateboard; a dog catching a
        ball; my dog Rex; a sled race
    lion: a lion with wings; a griffin; the Lion King; a circus; Simba
    elephant: a rhino; a hippo; a mammoth; a dinosaur; a T-Rex; a buffalo; an elephant on a ball
    monkey: a gorilla; a caveman; a sloth; a koala; a monkey in a suit; a lemur
    panda: a polar bear; a teddy bear; a grizzly; a raccoon; a panda doing kung fu; a badger
    rabbit: a kangaroo; a squirrel; a hamster; a mouse; a hedgehog; a guinea pig; a beaver; a
        rabbit in a magic hat
    frog: a crocodile; a lizard; a snake; a dragon; a salamander; a chameleon; a frog with a
        crown
    bird: a swan; a parrot; a peacock; a duck; a chicken; an eagle; a flamingo; a pelican; a
        pigeon; a nest with eggs
    owl: an owl with glasses; a bat; a vampire; a witch; a wizard; a raven; a ghost
    fish: a shark; a mermaid; a seahorse; a jellyfish; an aquarium; a fish tank; a plate of
        sushi
    whale: a dolphin; a submarine; the Titanic; Moby Dick; a sea monster; a walrus
    octopus: a crab; a lobster; a squid attacking a ship; an alien; a starfish; a spider
    turtle: a snail; a ninja turtle; an armadillo; a seashell
    butterfly: a dragonfly; a fairy; a moth; an angel; a caterpillar
    bee: an ant; a mosquito; a ladybug; a fly; a beehive; a jar of honey; a wasp
    car: a tractor; a tank; a motorcycle; a Ferrari; a police chase; a car crash; a taxi in New
        York; a racing track; a fire engine; an ambulance
    bus: a tram; a cable car; a lorry; a school class on a trip; a subway station
    train: a railway station; a tunnel; the Orient Express; a crane
    bicycle: a scooter; a skateboard; a wheelchair; the Tour de France; a unicycle
    airplane: an airport; a spaceship over London; a parachute; a drone; Superman
    rocket: a satellite; an astronaut; the space station; a galaxy; a black hole; the planet
        Mars; a moon landing; Darth Vader
    sailboat: a cruise ship; a pirate ship in a storm; a harbour; a beach at sunset; a lake in
        the mountains; a river; a waterfall; a sunset over the ocean
    apple: a lemon; a pear; a cherry; a pineapple; a bowl of fruit; a still life; an avocado; a
        peach; a pumpkin
    carrot: a potato; a tomato; broccoli; an onion; a salad; a cucumber
    pizza: a plate of spaghetti; a bowl of soup; a taco; a menu with prices; a chef in his
        kitchen; a steak; sausages
    hamburger: french fries; a sandwich; a hot dog; a McDonald's restaurant; a kebab
    cake: a wedding; a cup of coffee; a loaf of bread; a pancake; a table full of guests; a
        cookie; a glass of wine
    piano: an orchestra on stage; Mozart at the piano; a synthesizer; a sheet of music
    guitar: a rock concert; a ukulele; Elvis Presley; a cello; the Beatles; a band on stage
    tree: a forest in autumn; a palm island; a jungle; a garden with a pond; Central Park; a
        leaf; a Christmas market
    flower: a rose; a bouquet in a vase; Van Gogh's Sunflowers; a meadow with children; a daisy
        chain; an oil painting in the style of Monet
    sun: a rainbow; a desert; a thunderstorm; a beach party; the solar system; a summer day at
        the lake
    moon: an eclipse; a werewolf; the Milky Way; a night sky over Paris; a lantern
    star: a comet; a map of the stars; a Hollywood star; a firework; a snowflake; the flag of
        France
    fire: a volcano; a burning house; a candle; a lighter; a dragon's lair; a fireman
    snowman: Santa Claus; a snowy village; a mountain; an igloo; a skier; Elsa and Olaf; a
        snowball fight
    house: the Eiffel tower; the Statue of Liberty; the Great Wall of China; Big Ben; a castle;
        a skyscraper; a bridge; a lighthouse; a windmill; a church; a city at night; a kitchen;
        a living room; the Taj Mahal; a street in Rome; my school; the White House
    clock: a calendar; a watch; an hourglass; a chart of my sales; a diagram of an engine; a map
        of Europe; a pie chart; a compass
    key: a hammer; a lock; a sword; a treasure chest; a pair of scissors; a knife; a spoon
    telephone: a laptop; a television; a smartphone; a camera; a radio; a computer screen; an
        iPhone; a printer
    umbrella: a raincoat; a rainy street; a tent; a hat; a pair of shoes; a sofa; a bed; a
        chair; a lamp; a washing machine
    balloon: a hot air balloon over mountains; a football; a kite; a clown; a birthday party; a
        football match; a teddy
    heart: a kiss; a couple on a bench; a bride and groom; the human body; a tattoo with my
        name; a ring; a couple dancing in Paris
    robot: a man; a woman; a baby; my grandmother; a portrait of me; my face; a selfie of us;
        Einstein; the president; Donald Trump; Taylor Swift; Mickey Mouse; Pikachu; Batman;
        Spiderman; Harry Potter; the Mona Lisa; a soldier; a doctor; a teacher; a princess; a
        king; a ballerina; my boyfriend; a crowd; a girl reading a book; a boy with a red hat; a
        photo of Serena Williams; Barbie; a family at dinner; an old man with a beard; a
        photorealistic woman
    """
)
WRITTEN = entries(
    """
    my name in big letters; the word HELLO; a sign that says OPEN; a poster with the text SALE;
    the letter A; the number 7; a logo that says Bakery; a shop sign with our name; a comic with
    speech bubbles; an invitation with the date on it; a meme with text; a graffiti of my name;
    a t-shirt with a slogan
    """
)
# What can be played but not drawn; each can be heard instead.
PLAYED_ONLY = entries(
    """
    harp; flute; organ; xylophone; harmonica; music box; electric guitar
    """
)
# What can be drawn but not heard, and its noises; each can be seen instead.
NOISES = table(
    """
    dog: a dog barking; a barking dog; a dog
    cat: a cat meowing; a purring cat; a cat
    horse: a horse neighing; a horse
    cow: a cow mooing; a cow
    pig: a pig grunting; a pig
    sheep: a sheep bleating; a sheep
    lion: a lion roaring; a lion
    elephant: an elephant trumpeting; an elephant
    monkey: a monkey screaming; a monkey
    frog: a frog croaking; a frog
    owl: an owl hooting; an owl
    whale: a whale singing; a whale
    car: a car engine; a car honking; a car
    train: a train passing by; a train whistle; a train
    bus: a bus engine; a bus
    airplane: an airplane taking off; an airplane
    rocket: a rocket launch; a rocket
    fire: a crackling fire; fire
    clock: a ticking clock; an alarm clock
    robot: a robot voice; a robot
    bee: a buzzing bee; a swarm of bees
    tree: a falling tree; leaves in the wind
    """
)
SOUNDS = table(
    """
    choir: a song with words; a love song; a rap about cats; Happy Birthday to you; a lullaby
        with lyrics; a woman singing; a pop song; the national anthem; an opera aria; a
        Christmas carol; a song about my girlfriend; karaoke; a singer with a band
    piano: a symphony by Beethoven; Für Elise; jazz; the Moonlight Sonata; a piano concerto;
        film music; a whole song on the piano; a ten minute concert; something by Chopin; an
        hour of relaxing music
    electric guitar: a rock band; heavy metal; Smoke on the Water; a guitar solo by Jimi
        Hendrix; a Metallica song; punk rock
    guitar: a ukulele; a flamenco song; a mandolin; a country song; a sitar
    violin: a cello; a string quartet; a double bass; an orchestra; a viola; Vivaldi's Four
        Seasons
    flute: a clarinet; an oboe; a recorder; pan pipes; a bassoon
    trumpet: a tuba; a trombone; a French horn; a brass band; a fanfare for the queen
    drum kit: techno; a hip hop track; a bass drop; bongos; a house remix; footsteps; a marching
        army
    seashore: rain; rain on a tent; thunder; the wind; a waterfall; a river; eight hours of
        white noise; a storm; a thunderstorm all night; dripping water
    applause: a crowd talking; a laughing audience; people cheering in a stadium; a baby crying;
        somebody laughing; a football stadium; a cough
    telephone: an alarm; a doorbell; a siren; a door that closes; a car horn; a beep; an
        ambulance; a typewriter
    helicopter: a motorcycle; a tractor; a chainsaw; an engine; a vacuum cleaner; a jet fighter;
        a lawn mower
    gunshot: an explosion; fireworks; a bomb; breaking glass; a battle; a sword fight
    bird: a rooster; a duck quacking; a parrot that talks; a seagull; a cuckoo
    """
)
SPEECH = entries(
    """
    a poem read aloud; my name, spoken; a speech; a podcast; the news read out; a voice that
    says hello; a man saying good morning; a bedtime story, read aloud; a voice message for my
    mum; the alphabet, spoken; a woman's voice counting to ten; an audiobook; a voice that
    wishes me luck; a radio ad with a speaker
    """
)
# Words that people want spoken, or written in a picture.
QUOTES = entries(
    """
    hello; good morning everyone; happy birthday, Anna; welcome home; I love you; thank you all;
    open on Sundays; the winner takes it all; mind the gap; see you tomorrow; best coffee in
    town; once upon a time; no parking; merry Christmas; room 12; to be or not to be; left turn
    ahead; dinner is ready; Lena and Paul; congratulations; the train is late
    """
)
SPEAK: Bank = (  # {w} is a quote
    '[please |]say [{w}|"{w}"] [aloud|in a deep voice|with a friendly voice|as audio]',
    '[can|could] you [say|speak|pronounce] "{w}"[ for me|][?|, as a recording?]',
    "[read|speak] this [text|line|sentence] [aloud|to me|with your voice]: {w}",
    '[a|make a|record a] [woman|man|child|narrator] [saying|who says|reading] "{w}"',
    "[text to speech|tts|voice over|voice message]: {w}",
    "I want to hear [you|a person|somebody] say {w}",
)
WRITE: Bank = (
    '[please |][write|print|paint|put] [{w}|"{w}"] on [a banner|a t-shirt|a wall|a mug|a flag]',
    '[write|draw|spell] "{w}" in [red|fancy|curly|golden] letters',
    "[a |draw a |make a |][poster|logo|badge|label|card] [with the words|that reads] {w}",
    "[can|could] you [write|paint] {w} [on a picture|as a picture|into an image]?",
    '[image|picture|banner|logo] with the text [{w}|"{w}"]',
    "the words {w} [as an image|in a picture|drawn big]",
)
VIDEOS = table(
    """
    robot: a man walking; a woman dancing; people at a party; my wedding; a football match; a
        film trailer; an interview; the news; a music video; a ballet; Ronaldo taking a penalty;
        a boxing match; a cooking show; a talking head; a TikTok dance; the president giving a
        speech; a family on holiday
    cat: a cat chasing a mouse; two cats fighting; a cat falling off a table; Tom and Jerry
    dog: two dogs playing; a dog fetching a stick; a dog learning to sit; a puppy taking a bath
    horse: a horse jumping a fence; a rodeo; cowboys riding at sunset
    bird: a bird building a nest; an eagle catching a fish; ducks on a pond; a hen with chicks
    car: a car chase; a car crash; a motorbike race; a Formula 1 race; a traffic jam in Tokyo; a
        car wash
    rocket: a rocket launch with a crowd; a flight through the galaxy; an alien invasion; a moon
        landing; Star Wars
    flower: a flower opening in time lapse; a garden through the seasons; snowfall in a forest;
        a forest in the wind
    sailboat: waves on a beach; a storm at sea; a boat race; a waterfall; surfers in Hawaii; the
        Titanic sinking
    house: a city at night; a house burning down; a tour of Paris; a building that collapses; a
        walk through New York
    airplane: a flight over mountains; a parachute jump; a plane landing in fog; a drone shot of
        a castle
    cake: a chef decorating a cake; people eating; a birthday party with kids; pouring coffee
    whale: sharks hunting; dolphins jumping with a boat; a dive at a coral reef
    """
)
REFUSE: dict[MediaModality, tuple[str, ...]] = {  # {x} unknown, {other} what is offered
    "image": (
        "I cannot draw {x}, but I can draw {other}.",
        "I cannot draw {x}, it is not one of the things I know. I can draw {other} instead.",
    ),
    "audio": (
        "I cannot play {x}, but I can play {other}.",
        "I cannot play {x}, it is not one of the sounds I know. I can play {other} instead.",
    ),
    "video": (
        "I cannot film {x}, but I can make a video of {other}.",
        (
            "I cannot film {x}, it is not one of the things I know. I can make a video of {other} "
            "instead."
        ),
    ),
}
# What a known thing may do or where it may be, which mini cannot show.
EXTRAS = entries(
    """
    reading a book; playing football; riding a horse; wearing a hat; with sunglasses; in a suit;
    on a skateboard; eating breakfast; drinking tea; at the beach; in the snow; in a forest; in
    the rain; in the kitchen; on a mountain; under water; in a castle; in New York; with a
    crown; holding a sign; at a party; next to a river; with its family; in a spaceship; playing
    chess; in the style of Picasso; as an oil painting; in front of the Eiffel tower; on a
    chair; with a red scarf; talking to a policeman; made of glass; with wings; fighting a
    dragon; with people around it; in a garden; in a bathtub; at a wedding; sleeping in a bed;
    in the city at night; behind a fence
    """
)
ACTIONS = entries(
    """
    reading a book; playing football; dancing with a girl; eating a sandwich; chasing a mouse;
    going to school; cooking dinner; fighting with a dragon; talking to the camera; opening a
    door; building a tower; crossing a busy street; swimming with dolphins; falling in love;
    singing on a stage; winning a race against others; on the beach; in a city; waving to the
    crowd; exploding; playing with children; climbing a mountain; being washed; catching a ball;
    doing a handstand
    """
)
REAL: tuple[str, ...] = (  # {x} is known, but not as a photograph
    "a [photo|photograph|real photo] of {x}",
    "a photorealistic {n}",
    "a realistic picture of {x}",
    "{x} like in real life",
    "an HD photo of {x}",
)
LONG: dict[MediaModality, tuple[str, ...]] = {
    "audio": (
        "a [five|ten|three] minute [piece|song] on {x}",
        "{x} for [an hour|ten minutes|a whole day]",
        "[thirty|60|20] minutes of {x}",
    ),
    "video": (
        "a [ten|five|two] minute video of {x}",
        "an hour of {x}",
        "a [long|full length] film about {x}",
        "{x} for [ten|30] minutes",
    ),
    "image": (),
}
REFUSE_EXTRA = "I cannot draw {x}, but here is {thing}."
REFUSE_ACTION = "I cannot film {x}, but here is {thing}."
REFUSE_PHOTO = "I cannot make photographs, but here is a drawing of {thing}."
REFUSE_LONG = "I cannot make it that long: {limit}. Here is {thing}."
LIMITS = {"audio": "my sounds last three seconds", "video": "my videos last two seconds"}
REFUSE_TEXT = "I cannot write text in pictures, but I can draw {other}."
REFUSE_SPEECH = "I cannot speak or sing, but I can play {other}."
REFUSE_UNDRAWN = "I cannot draw {x}, but I can play {it}."
REFUSE_SILENT = "I do not know the sound of {x}, but I can draw {it}."
ACCEPT = (
    "[yes|ok|okay|yeah|sure|fine|alright|good|yep][, please|, do that|, go ahead|!|.|]",
    "[please do|do it|go ahead|good idea|that works|sounds good|why not][.|!|]",
    "[ok|fine|all right], {other} then[.|]",
    "[then |ok, |]do that[.| please|]",
    "{other} is [fine|ok|good][ too|.|]",
)

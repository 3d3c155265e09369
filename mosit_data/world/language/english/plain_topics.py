"""What plain prompts are about. Each row fills the slot of its name."""

from mosit_data.world.language.grammar import table

TOPICS = table(
    """
    country: Spain; Egypt; Peru; Kenya; Norway; Poland; Greece; Turkey; India; Vietnam; Cuba;
        Chile; Austria; Portugal; Morocco; Iceland; Ireland; Thailand; Mexico; Finland; Hungary;
        Nepal
    city: London; Berlin; Madrid; Vienna; Athens; Lisbon; Boston; Sydney; Cairo; Mumbai; Seoul;
        Oslo
    science: gravity; photosynthesis; electricity; a vaccine; DNA; inflation; a black hole; an
        atom; magnetism; friction; osmosis; evolution; a volcano; an earthquake; the water
        cycle; a virus; radiation; plate tectonics; a cell; condensation; a hormone; digestion;
        the ozone layer; a tsunami; a solar eclipse; blood pressure; an enzyme
    idea: democracy; capitalism; irony; a metaphor; a verb; an adjective; an algorithm; a
        budget; a mortgage; karma; a simile; globalisation; the stock market; a fraction; a
        prime number; a synonym; the internet; machine learning
    person: Marie Curie; Isaac Newton; Nelson Mandela; Cleopatra; Charles Darwin; Mozart;
        Picasso; Frida Kahlo; Leonardo da Vinci; Shakespeare; Gandhi; Napoleon; Galileo; Jane
        Austen; Alan Turing; Bach; Van Gogh; Rosa Parks
    skill: cooking; swimming; chess; typing; public speaking; the guitar; the piano; drawing;
        painting; gardening; photography; knitting; juggling; singing; skating; French; Spanish;
        programming; maths; meditation
    problem: stress; a headache; back pain; exam fear; a cold; a noisy neighbour; boredom;
        homesickness; hiccups; a sunburn; procrastination; a broken heart; bad sleep; mosquito
        bites; loneliness; a lazy roommate; jet lag; low motivation
    dish: pancakes; an omelette; tomato soup; bread; a salad; rice; lasagna; a chocolate cake;
        guacamole; pizza dough; apple pie; curry
    language: Spanish; French; German; Italian; Chinese; Japanese; Portuguese; Russian; Latin;
        Swedish
    word: good morning; thank you; friend; water; where is the station; I am hungry; happy
        birthday; bread; library; good luck
    english: benevolent; ubiquitous; candid; frugal; ambiguous; resilient; concise; obsolete;
        diligent; tedious
    simple: big; happy; cold; fast; easy; dark; old; rich; clean; strong; early; loud
    code: reverse a string; sort a list; read a file; count words; add two numbers; find the
        largest number; remove duplicates; make a loop; check if a number is even; open a web
        page; parse JSON; draw a circle with turtle; plot a graph; round a number
    programming: Python; JavaScript; Java; C; C++; Rust; Go; SQL; bash; HTML; R
    occasion: a birthday; a wedding; a job interview; a first date; a party; a funeral; a school
        trip; a picnic; a long flight; an exam
    feeling: the sea; autumn; love; my grandmother; friendship; the rain; home; time; winter;
        hope; night; silence
    animal: ant; snake; crab; bat; shark; eagle; camel; giraffe; kangaroo; fox; rat; duck;
        snail; worm; cat; dog; horse; cow; pig; elephant; lion; frog; owl; fish; whale; turtle;
        bee; butterfly; penguin
    planet: Mars; Venus; Jupiter; Saturn; Mercury; Neptune; the moon; the sun; Pluto
    media: painting; drawing; photography; film; music; jazz; classical music; opera; animation;
        comics; cartoons; sculpture; pop music; graphic design; watercolour; street art; video
        editing; sound design
    instrument: piano; guitar; violin; trumpet; saxophone; flute; harp; organ; accordion; banjo;
        xylophone; harmonica; drum; cello; clarinet; tuba
    percent: 5; 10; 15; 20; 25; 30; 40; 60; 75; 80
    unit: metres in a mile; ounces in a pound; minutes in a day; days in a year; grams in a
        kilo; feet in a yard; weeks in a year; bytes in a kilobyte; hours in a week
    """
)
NUMBERS = tuple(str(n) for n in (*range(2, 40), 45, 48, 50, 60, 64, 72, 75, 90, 96, 120, 144, 250))

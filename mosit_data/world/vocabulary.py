"""The vocabulary of the small world: things, styles, colours, motions and sounds."""

from typing import NamedTuple


class Concept(NamedTuple):
    """A thing that can be drawn."""

    name: str
    kind: str  # animal, vehicle, food, instrument, nature or object
    code: str  # of its emoji, in hexadecimal
    chinese: str
    measure: str  # the Chinese measure word: one dog is 一 + 只 + 狗


CONCEPTS: tuple[Concept, ...] = (
    Concept("dog", "animal", "1f415", "狗", "只"),
    Concept("cat", "animal", "1f408", "猫", "只"),
    Concept("rabbit", "animal", "1f407", "兔子", "只"),
    Concept("horse", "animal", "1f40e", "马", "匹"),
    Concept("cow", "animal", "1f404", "奶牛", "头"),
    Concept("pig", "animal", "1f416", "猪", "头"),
    Concept("sheep", "animal", "1f411", "绵羊", "只"),
    Concept("elephant", "animal", "1f418", "大象", "头"),
    Concept("lion", "animal", "1f981", "狮子", "头"),
    Concept("monkey", "animal", "1f412", "猴子", "只"),
    Concept("panda", "animal", "1f43c", "熊猫", "只"),
    Concept("frog", "animal", "1f438", "青蛙", "只"),
    Concept("penguin", "animal", "1f427", "企鹅", "只"),
    Concept("owl", "animal", "1f989", "猫头鹰", "只"),
    Concept("bird", "animal", "1f426", "小鸟", "只"),
    Concept("fish", "animal", "1f41f", "鱼", "条"),
    Concept("whale", "animal", "1f433", "鲸鱼", "头"),
    Concept("octopus", "animal", "1f419", "章鱼", "只"),
    Concept("turtle", "animal", "1f422", "乌龟", "只"),
    Concept("butterfly", "animal", "1f98b", "蝴蝶", "只"),
    Concept("bee", "animal", "1f41d", "蜜蜂", "只"),
    Concept("car", "vehicle", "1f697", "汽车", "辆"),
    Concept("bus", "vehicle", "1f68c", "公共汽车", "辆"),
    Concept("train", "vehicle", "1f682", "火车", "列"),
    Concept("bicycle", "vehicle", "1f6b2", "自行车", "辆"),
    Concept("airplane", "vehicle", "2708-fe0f", "飞机", "架"),
    Concept("helicopter", "vehicle", "1f681", "直升机", "架"),
    Concept("rocket", "vehicle", "1f680", "火箭", "枚"),
    Concept("sailboat", "vehicle", "26f5", "帆船", "艘"),
    Concept("apple", "food", "1f34e", "苹果", "个"),
    Concept("banana", "food", "1f34c", "香蕉", "根"),
    Concept("strawberry", "food", "1f353", "草莓", "颗"),
    Concept("watermelon", "food", "1f349", "西瓜", "块"),
    Concept("carrot", "food", "1f955", "胡萝卜", "根"),
    Concept("pizza", "food", "1f355", "披萨", "块"),
    Concept("hamburger", "food", "1f354", "汉堡", "个"),
    Concept("cake", "food", "1f382", "蛋糕", "个"),
    Concept("ice cream", "food", "1f366", "冰淇淋", "个"),
    Concept("piano", "instrument", "1f3b9", "钢琴", "架"),
    Concept("guitar", "instrument", "1f3b8", "吉他", "把"),
    Concept("violin", "instrument", "1f3bb", "小提琴", "把"),
    Concept("trumpet", "instrument", "1f3ba", "小号", "把"),
    Concept("saxophone", "instrument", "1f3b7", "萨克斯", "把"),
    Concept("banjo", "instrument", "1fa95", "班卓琴", "把"),
    Concept("accordion", "instrument", "1fa97", "手风琴", "架"),
    Concept("drum", "instrument", "1f941", "鼓", "面"),
    Concept("bell", "instrument", "1f514", "铃铛", "个"),
    Concept("tree", "nature", "1f333", "树", "棵"),
    Concept("flower", "nature", "1f337", "花", "朵"),
    Concept("mushroom", "nature", "1f344", "蘑菇", "个"),
    Concept("cactus", "nature", "1f335", "仙人掌", "棵"),
    Concept("sun", "nature", "2600-fe0f", "太阳", "个"),
    Concept("moon", "nature", "1f319", "月亮", "个"),
    Concept("star", "nature", "2b50", "星星", "颗"),
    Concept("fire", "nature", "1f525", "火", "团"),
    Concept("snowman", "nature", "26c4", "雪人", "个"),
    Concept("house", "object", "1f3e0", "房子", "座"),
    Concept("telephone", "object", "260e-fe0f", "电话", "部"),
    Concept("clock", "object", "23f0", "闹钟", "个"),
    Concept("key", "object", "1f511", "钥匙", "把"),
    Concept("umbrella", "object", "2614", "雨伞", "把"),
    Concept("balloon", "object", "1f388", "气球", "个"),
    Concept("heart", "object", "2764-fe0f", "爱心", "颗"),
    Concept("robot", "object", "1f916", "机器人", "个"),
)

CONCEPT: dict[str, Concept] = {concept.name: concept for concept in CONCEPTS}
PLURALS = {"sheep": "sheep", "fish": "fish", "cactus": "cacti", "butterfly": "butterflies"}


class Style(NamedTuple):
    """A way to draw."""

    chinese: str


STYLES: dict[str, Style] = {
    "flat": Style("扁平风格"),
    "cartoon": Style("卡通风格"),
    "3d": Style("立体风格"),
}


class Colour(NamedTuple):
    chinese: str
    rgb: tuple[int, int, int]


COLOURS: dict[str, Colour] = {
    "red": Colour("红色", (214, 40, 45)),
    "orange": Colour("橙色", (247, 140, 30)),
    "yellow": Colour("黄色", (250, 222, 60)),
    "green": Colour("绿色", (58, 160, 72)),
    "blue": Colour("蓝色", (45, 105, 215)),
    "purple": Colour("紫色", (128, 62, 175)),
    "pink": Colour("粉色", (250, 165, 200)),
    "brown": Colour("棕色", (122, 78, 46)),
    "black": Colour("黑色", (22, 22, 24)),
    "white": Colour("白色", (246, 246, 244)),
}

RELATIONS: dict[str, str] = {
    "to the left of": "左边",
    "to the right of": "右边",
    "above": "上面",
    "below": "下面",
}
COUNTS: dict[int, tuple[str, str]] = {
    1: ("one", "一"),
    2: ("two", "两"),
    3: ("three", "三"),
    4: ("four", "四"),
}
SIZES: dict[str, str] = {"small": "小小的", "large": "大大的"}
ANGLES: dict[str, str] = {"tilted": "倾斜的", "upside-down": "倒着的"}


class Motion(NamedTuple):
    verb: str  # of a sentence about the thing: "moves left"
    chinese: str


MOTIONS: dict[str, Motion] = {
    "moving left": Motion("moves left", "向左移动"),
    "moving right": Motion("moves right", "向右移动"),
    "moving up": Motion("moves up", "向上移动"),
    "moving down": Motion("moves down", "向下移动"),
    "growing": Motion("grows", "变大"),
    "shrinking": Motion("shrinks", "变小"),
    "bouncing": Motion("bounces", "弹跳"),
    "spinning": Motion("spins", "旋转"),
}


class Sound(NamedTuple):
    """A General MIDI program. `patterns` is empty for effects, which have no melody."""

    program: int  # from 0; of the drum bank when the only pattern is "beat"
    chinese: str
    patterns: tuple[str, ...]
    concept: str | None = None  # the thing that makes it, if that can be drawn
    countable: bool = True  # takes an article: "a piano", but "applause"


MELODIC = ("rising", "falling", "repeated", "chord")

SOUNDS: dict[str, Sound] = {
    "piano": Sound(0, "钢琴", MELODIC, "piano"),
    "music box": Sound(10, "八音盒", MELODIC),
    "xylophone": Sound(13, "木琴", MELODIC),
    "bell": Sound(14, "钟声", MELODIC, "bell"),
    "organ": Sound(19, "管风琴", MELODIC),
    "accordion": Sound(21, "手风琴", MELODIC, "accordion"),
    "harmonica": Sound(22, "口琴", MELODIC),
    "guitar": Sound(24, "吉他", MELODIC, "guitar"),
    "electric guitar": Sound(30, "电吉他", MELODIC),
    "violin": Sound(40, "小提琴", MELODIC, "violin"),
    "harp": Sound(46, "竖琴", MELODIC),
    "choir": Sound(52, "合唱团", MELODIC),
    "trumpet": Sound(56, "小号", MELODIC, "trumpet"),
    "saxophone": Sound(66, "萨克斯", MELODIC, "saxophone"),
    "flute": Sound(73, "长笛", MELODIC),
    "banjo": Sound(105, "班卓琴", MELODIC, "banjo"),
    "bagpipes": Sound(109, "风笛", MELODIC, countable=False),
    "drum kit": Sound(0, "架子鼓", ("beat",), "drum"),
    "seashore": Sound(122, "海浪声", ()),
    "bird": Sound(123, "鸟叫声", (), "bird"),
    "telephone": Sound(124, "电话铃声", (), "telephone"),
    "helicopter": Sound(125, "直升机的声音", (), "helicopter"),
    "applause": Sound(126, "掌声", (), countable=False),
    "gunshot": Sound(127, "枪声", ()),
}

SOUND_OF: dict[str, str] = {s.concept: name for name, s in SOUNDS.items() if s.concept}

PATTERNS: dict[str, tuple[str, str]] = {  # in captions, and in Chinese
    "rising": ("a rising melody", "上行旋律"),
    "falling": ("a falling melody", "下行旋律"),
    "repeated": ("repeated notes", "重复音符"),
    "chord": ("a chord", "和弦"),
    "beat": ("a beat", "节奏"),
}
PITCHES: dict[str, str] = {"low": "低音", "middle": "中音", "high": "高音"}
TEMPI: dict[str, str] = {"slow": "慢速", "fast": "快速"}


def plural(name: str) -> str:
    """`name` in the plural, with the adjectives before it: "flat sheep", "red buses"."""
    adjectives, space, noun = name.rpartition(" ")
    if noun in PLURALS:
        noun = PLURALS[noun]
    elif noun.endswith(("s", "x", "ch", "sh")):
        noun += "es"
    elif noun.endswith("y") and noun[-2] not in "aeiou":
        noun = noun[:-1] + "ies"
    else:
        noun += "s"
    return adjectives + space + noun


def article(words: str) -> str:
    """`words` with "a" or "an" in front."""
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"


def with_article(sound: str, words: str) -> str:
    """Words for a sound, with an article if it is countable: "a violin", "applause"."""
    return article(words) if SOUNDS[sound].countable else words

"""A scene in Chinese: the words of answers, and those of requests."""

import random

from mosit_data.world.scene import (
    PictureScene,
    Scene,
    SoundScene,
    Thing,
    VideoScene,
    angle_word,
    size_word,
)
from mosit_data.world.vocabulary import (
    ANGLES,
    COLOURS,
    CONCEPT,
    COUNTS,
    MOTIONS,
    PATTERNS,
    PITCHES,
    RELATIONS,
    SIZES,
    SOUNDS,
    STYLES,
    TEMPI,
)

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "dog": ("小狗", "狗狗"),
    "cat": ("小猫", "猫咪", "猫猫"),
    "rabbit": ("小兔子", "兔"),
    "horse": ("小马", "马儿"),
    "cow": ("牛", "母牛"),
    "pig": ("小猪", "猪猪"),
    "sheep": ("羊", "小羊", "小绵羊"),
    "elephant": ("小象", "象"),
    "lion": ("小狮子",),
    "monkey": ("小猴子", "猴"),
    "panda": ("大熊猫", "小熊猫"),
    "frog": ("小青蛙",),
    "penguin": ("小企鹅",),
    "bird": ("鸟", "鸟儿"),
    "fish": ("小鱼", "鱼儿"),
    "whale": ("鲸",),
    "turtle": ("小乌龟", "龟"),
    "bee": ("小蜜蜂",),
    "car": ("车", "小汽车", "轿车"),
    "bus": ("公交车", "巴士"),
    "train": ("小火车",),
    "bicycle": ("单车",),
    "hamburger": ("汉堡包",),
    "cake": ("生日蛋糕",),
    "pizza": ("比萨",),
    "ice cream": ("雪糕",),
    "tree": ("大树",),
    "flower": ("小花", "花儿", "郁金香"),
    "moon": ("月牙",),
    "star": ("星",),
    "fire": ("火焰",),
    "house": ("小房子", "屋子"),
    "telephone": ("电话机",),
    "clock": ("钟",),
    "umbrella": ("伞",),
    "heart": ("心", "红心"),
    "drum": ("小鼓",),
    "violin": ("小提琴",),
}
BACKGROUNDS = ("{c}背景上的", "{c}背景的", "{c}背景，", "背景是{c}的", "{c}底的", "以{c}为背景的")
SHORT_COLOURS = ("{c}", "{c}的")
MOVES: dict[str, tuple[str, ...]] = {
    "moving left": ("向左移动", "往左走", "往左边跑", "向左边去", "朝左移动", "从右往左走"),
    "moving right": ("向右移动", "往右走", "往右边跑", "向右边去", "朝右移动", "从左往右走"),
    "moving up": ("向上移动", "往上走", "升上去", "往上飞", "升起来", "慢慢上升"),
    "moving down": ("向下移动", "往下走", "落下来", "往下掉", "降下来", "慢慢下降"),
    "growing": ("变大", "越来越大", "长大", "慢慢变大", "不断变大"),
    "shrinking": ("变小", "越来越小", "缩小", "慢慢变小", "不断缩小"),
    "bouncing": ("弹跳", "蹦蹦跳跳", "上下跳", "弹来弹去", "跳个不停"),
    "spinning": ("旋转", "转圈", "转来转去", "转个不停", "打转"),
}
SOUND_WORDS: dict[str, tuple[str, ...]] = {
    "seashore": ("海浪声", "大海的声音", "海浪的声音", "海边的声音"),
    "bird": ("鸟叫", "小鸟的叫声", "鸟儿唱歌的声音", "鸟鸣"),
    "telephone": ("电话铃声", "电话响的声音", "电话铃"),
    "helicopter": ("直升机的声音", "直升飞机的声音", "直升机飞过的声音"),
    "applause": ("掌声", "鼓掌的声音", "拍手声"),
    "gunshot": ("枪声", "开枪的声音", "一声枪响"),
}
PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "rising": ("上行旋律", "上行音阶", "越来越高的旋律", "往上走的旋律"),
    "falling": ("下行旋律", "下行音阶", "越来越低的旋律", "往下走的旋律"),
    "repeated": ("重复音符", "重复的音", "同一个音反复"),
    "chord": ("和弦", "一个和弦"),
    "beat": ("节奏", "鼓点"),
}


def in_chinese(scene: Scene) -> str:
    """The caption in Chinese."""
    if isinstance(scene, SoundScene):
        return chinese_sound(scene)
    place = f"{COLOURS[scene.background].chinese}背景上" if "background" in scene.mentions else ""
    if isinstance(scene, VideoScene):
        return place + chinese_thing(scene, scene.thing) + MOTIONS[scene.motion].chinese
    things = [chinese_thing(scene, thing) for thing in scene.things[:2]]
    if scene.relation:
        return f"{place}{things[0]}在{things[1]}的{RELATIONS[scene.relation]}"
    return (place + "的" if place else "") + things[0]


def chinese_thing(
    scene: PictureScene | VideoScene, thing: Thing, name: str = "", number: str = ""
) -> str:
    """一只小小的扁平风格的红色的猫"""
    count = 1
    if isinstance(scene, PictureScene) and not scene.relation:
        count = len(scene.things)
    size = SIZES.get(size_word(thing), "") if "size" in scene.mentions else ""
    style = STYLES[scene.style].chinese + "的" if "style" in scene.mentions else ""
    colour = COLOURS[thing.colour].chinese + "的" if thing.colour else ""
    concept = CONCEPT[thing.concept]
    angle = ANGLES.get(angle_word(thing), "")
    number = number or COUNTS[count][1]
    return number + concept.measure + size + angle + style + colour + (name or concept.chinese)


def chinese_sound(scene: SoundScene) -> str:
    """一段慢速的小号演奏的上行旋律"""
    sound = SOUNDS[scene.sound].chinese
    if scene.pattern is None:
        return sound
    tempo = TEMPI[scene.tempo] + "的" if scene.tempo and "tempo" in scene.mentions else ""
    pitch = scene.pitch if "pitch" in scene.mentions and scene.pitch != "middle" else None
    how = tempo + (PITCHES[pitch] + "的" if pitch else "") + sound
    if "pattern" in scene.mentions:
        return f"一段{how}演奏的{PATTERNS[scene.pattern][1]}"
    return f"一段{how}的声音"


# --- as people ask for it ---


def requested(rng: random.Random, scene: Scene) -> str:
    """The scene as somebody asks for it."""
    if isinstance(scene, SoundScene):
        return requested_sound(rng, scene)
    if isinstance(scene, PictureScene) and scene.relation:
        return in_chinese(scene)
    place = ""
    if "background" in scene.mentions:
        colour = COLOURS[scene.background].chinese
        colour = colour if rng.random() < 0.7 else colour.removesuffix("色") + "色"
        place = rng.choice(BACKGROUNDS).format(c=colour)
    thing = scene.thing if isinstance(scene, VideoScene) else scene.things[0]
    name = called(rng, thing.concept)
    drop = isinstance(scene, PictureScene) and len(scene.things) == 1 and rng.random() < 0.2
    words = chinese_thing(scene, thing, name)
    if drop and not place.endswith("，"):
        words = words.removeprefix("一")
        words = words if rng.random() < 0.4 else words[len(CONCEPT[thing.concept].measure) :]
    if isinstance(scene, VideoScene):
        words += rng.choice(("", "", "在")) + rng.choice(MOVES[scene.motion])
    return place + words


def called(rng: random.Random, concept: str) -> str:
    usual = CONCEPT[concept].chinese
    return (
        rng.choice(OTHER_NAMES[concept]) if concept in OTHER_NAMES and rng.random() < 0.3 else usual
    )


def requested_sound(rng: random.Random, scene: SoundScene) -> str:
    if scene.pattern is None:
        return rng.choice(SOUND_WORDS[scene.sound])
    sound = SOUNDS[scene.sound].chinese
    words = ""
    if "tempo" in scene.mentions and scene.tempo:
        words += rng.choice(
            {"slow": ("慢速的", "慢一点的", "慢慢的"), "fast": ("快速的", "快一点的")}[scene.tempo]
        )
    if "pitch" in scene.mentions and scene.pitch not in (None, "middle"):
        words += PITCHES[scene.pitch] + "的"
    if "pattern" in scene.mentions:
        pattern = rng.choice(PATTERN_WORDS[scene.pattern])
        return rng.choice(
            (
                f"{words}{sound}演奏的{pattern}",
                f"{words}{sound}，{pattern}",
                f"用{sound}演奏{words}{pattern}",
            )
        )
    return rng.choice((f"{words}{sound}", f"{words}{sound}", f"{words}{sound}的声音"))

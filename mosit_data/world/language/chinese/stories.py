"""Illustrated stories in Chinese. {p} is the hero, {q} and {r} are others, each with its number."""

import random

from mosit_data.world.language.chinese.descriptions import called
from mosit_data.world.language.grammar import Bank, expand, say
from mosit_data.world.scene import Split
from mosit_data.world.vocabulary import CONCEPT

START = (
    "从前有{a_p}，名字叫{name}。",
    "很久很久以前，有{a_p}叫{name}。",
    "在很远的地方，住着{a_p}，大家叫它{name}。",
)
NAMES = ("乐乐", "豆豆", "小明", "圆圆", "球球", "米米")
END = ("从此它们成了好朋友。", "大家都很开心。", "那天晚上，大家睡得很香。", "这真是美好的一天。")
PLOTS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("p", "[{start}]{name}没有朋友，每天都很孤单。"),
        ("q", "有一天，{p}遇到了{a_q}。“我们一起玩吧！”{p}说。{q}高兴地答应了。"),
        ("r", "它们一起走啊走，发现了{a_r}，真是太美了。"),
        ("p", "晚上，{p}回到家，再也不孤单了。[{end}]"),
    ),
    (
        ("p", "[{start}]一天早上，{name}想去看看世界。"),
        ("q", "{p}走了很久，看见了{a_q}。“真有意思！”它想。"),
        ("r", "后来又看见了{a_r}，{name}笑个不停。"),
        ("p", "天黑了，{p}高高兴兴地回家了。[{end}]"),
    ),
    (
        ("p", "[{start}]{name}很怕黑，晚上从来不出门。"),
        ("q", "{a_q}对它说：“别怕，跟我来。”"),
        ("r", "它们一起出门，找到了{a_r}。"),
        ("p", "从那以后，{p}再也不怕黑了。[{end}]"),
    ),
)
ALONE: Bank = (
    "[{start}]一天，{name}在路上迷路了。{p}没有哭，它沿着小河慢慢走，天黑以前回到了家。",
    "[{start}]大家都笑它太小。后来来了一场大风，是小小的{p}帮助了大家。",
    "[{start}]夜深了，外面很安静。{p}闭上眼睛，做了一个美丽的梦。晚安。",
    "[{start}]{name}每天都向大家问好。有一天{p}生病了，所有的朋友都来看它。",
)
STORY: Bank = (
    "[给我|]讲[一个|个]关于{p}的[小|]故事，[配|加|要]{pictures}[。|]",
    "[写|编]一个{p}的[小|短|]故事，[再|并]画{pictures}[。|]",
    "我想听{p}的[睡前|]故事，还要{pictures}",
    "{p}的故事，{pictures}",
    "[孩子|女儿]想听{p}的故事，[最好|]有{pictures}",
    "[做|画]一个关于{p}的[漫画|绘本]，{pictures}",
)
PICTURES = {
    1: ("一幅画", "一张图片", "一张插图", "一张图", "一幅插画", "一张{p}的图"),
    2: ("两张图", "两幅画"),
    3: ("三张图", "三幅画"),
    4: ("四张图", "四幅画"),
}


def ask_story(rng: random.Random, hero: str, count: int, split: Split) -> str:
    chinese = called(rng, hero)
    pictures = expand(rng, rng.choice(PICTURES[count]), p=chinese)
    return say(rng, STORY, split, p=chinese, pictures=pictures)


def tell(rng: random.Random, cast: tuple[str, str, str], count: int) -> list[tuple[str, str]]:
    """Beats: the words, and the thing that the picture behind them shows."""
    values = values_of(rng, cast)
    if count == 1:
        return [(fill(rng, rng.choice(ALONE), values), cast[0])]
    plot = rng.choice(PLOTS)
    chosen = {2: plot[:2], 3: plot[:3], 4: plot}[count]
    who = dict(zip("pqr", cast, strict=True))
    beats = [(fill(rng, text, values), who[letter]) for letter, text in chosen]
    end = rng.choice(END) if count < 4 else ""
    return [*beats[:-1], (beats[-1][0] + end, beats[-1][1])]


def values_of(rng: random.Random, cast: tuple[str, str, str]) -> dict[str, str]:
    values = {"name": rng.choice(NAMES)}
    for letter, name in zip("pqr", cast, strict=True):
        concept = CONCEPT[name]
        values[letter] = concept.chinese
        values[f"a_{letter}"] = f"一{concept.measure}{concept.chinese}"
    return values


def fill(rng: random.Random, template: str, values: dict[str, str]) -> str:
    template = template.replace("[{start}]", rng.choice(START)).replace("[{end}]", rng.choice(END))
    return expand(rng, template, **values)

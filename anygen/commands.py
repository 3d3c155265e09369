"""What a person can tell the chat itself: one row for each /command."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from anygen import capture, playback, transcript
from anygen.attachments import open_path, parse_line
from anygen.conversation import Exchange
from anygen.media import Media, Message, Part
from anygen.media_files import printable, read_comment, read_media, write_media
from anygen.modality import MODALITIES, parse_modalities
from anygen.session import Session, keep, label, ready, take_turn


@dataclass(frozen=True)
class Command:
    arguments: str
    help: str
    run: Callable[[Session, str], None]


def run_command(session: Session, line: str) -> None:
    """Raises ValueError for a command that is none, or that cannot be done."""
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        near = get_close_matches(name, [*COMMANDS, *ALIASES], 1)
        hint = f"did you mean {near[0]}?" if near else "/help lists them"
        raise ValueError(f"no command {printable(name)}; {hint} (a text may begin with //)")
    command.run(session, argument.strip())


# --- what is attached


def attach(session: Session, argument: str) -> None:
    for media in [read_media(path) for path in paths(argument, "/attach")]:
        attach_media(session, media)


def attach_media(session: Session, media: Media) -> None:
    conversation = session.conversation
    conversation.attached.append(media)
    session.screen.line(f"attached {label(len(conversation.media()), media)}")


def drop(session: Session, argument: str) -> None:
    attached = session.conversation.attached
    if not attached:
        raise ValueError("nothing is attached to the next message")
    session.screen.line(f"dropped {len(attached)}")
    attached.clear()


def paste(session: Session, argument: str) -> None:
    attach_media(session, keep(capture.clipboard_image(), session.settings.out))


def record(session: Session, argument: str) -> None:
    seconds = whole_number(argument or "3", "/record", 1)
    session.screen.line(f"recording {seconds} s ...")
    attach_media(session, keep(capture.record(seconds), session.settings.out))


# --- what was said


def retry(session: Session, argument: str) -> None:
    """Without a seed the next one is taken."""
    seed = whole_number(argument, "/retry") if argument else None
    ask_again(session, session.conversation.undo(), None, seed)


def undo(session: Session, argument: str) -> None:
    session.screen.line(f"forgot: {as_line(session.conversation.undo())}")


def edit(session: Session, argument: str) -> None:
    """With a text it is asked at once; else the prompt begins with the last question."""
    turn = session.conversation.undo()
    if argument:
        ask_again(session, turn, parse_line(argument), None)
    else:
        session.draft = as_line(turn)


def ask_again(
    session: Session, turn: Exchange, parts: tuple[Part, ...] | None, seed: int | None
) -> None:
    """A question in the place of the last turn, which comes back if there is no answer."""
    turns = len(session.conversation.turns)
    try:
        take_turn(session, parts or turn.question.parts, seed)
    finally:
        if len(session.conversation.turns) == turns:
            session.conversation.turns.append(turn)


def as_line(turn: Exchange) -> str:
    """What can be typed to ask the same."""
    words = [part if isinstance(part, str) else f'@"{part.path}"' for part in turn.question.parts]
    return " ".join(words)


def reset(session: Session, argument: str) -> None:
    session.conversation.reset()


def history(session: Session, argument: str) -> None:
    number = 0
    for role, parts, note in transcript.spoken(session.conversation):
        session.screen.line(f"{role}{note}:")
        for part in parts:
            number += not isinstance(part, str)
            session.screen.line(f"  {part if isinstance(part, str) else label(number, part)}")


def save(session: Session, argument: str) -> None:
    path = one_path(argument, "/save FILE.html, .md or .json")
    transcript.save(session, path)
    session.screen.line(f"saved {printable(path)}")


def load(session: Session, argument: str) -> None:
    path = one_path(argument, "/load FILE.json")
    turns = transcript.load(session, path)
    session.screen.line(f"loaded {printable(path)}, {turns} turns")
    if turns and not session.conversation.turns:
        session.screen.line(
            "other weights said this: it goes on, but /retry and /undo do not reach it"
        )


# --- media


def play(session: Session, argument: str) -> None:
    media, screen = chosen_medium(session, argument, "/play"), session.screen
    playback.play(media, screen.columns, screen.graphics, screen.write)


def open_medium(session: Session, argument: str) -> None:
    media = chosen_medium(session, argument, "/open")
    if media.path is None:
        raise ValueError("this medium has no file; /export writes one")
    playback.open_file(media.path)


def export(session: Session, argument: str) -> None:
    number, _, name = argument.partition(" ")
    media = chosen_medium(session, number, "/export")
    path = one_path(name, "/export N FILE")
    comment = None
    if session.settings.metadata and media.path is not None and media.path.is_file():
        comment = read_comment(media.path)
    session.screen.line(f"wrote {printable(write_media(media, path, comment))}")


def chosen_medium(session: Session, argument: str, command: str) -> Media:
    """By its number; without one the last."""
    conversation = session.conversation
    number = whole_number(argument, command) if argument else len(conversation.media())
    return conversation.medium(number)


# --- how it is asked


def seed(session: Session, argument: str) -> None:
    if argument:
        session.conversation.seed = whole_number(argument, "/seed")
        session.conversation.asked = 0
    session.screen.line(f"seed {session.conversation.seed}")


def system(session: Session, argument: str) -> None:
    conversation = session.conversation
    if argument:
        conversation.require_beginning("a system prompt")
        conversation.given = (Message("system", (argument,)),)
    words = [str(part) for message in conversation.system for part in message.parts]
    session.screen.line(f"system: {' '.join(words) or 'as in the training of the model'}")


def modalities(session: Session, argument: str) -> None:
    if argument:
        chosen = None if argument == "all" else parse_modalities(argument)
        session.settings = replace(session.settings, modalities=chosen)
    session.screen.line(f"modalities {','.join(session.settings.modalities or MODALITIES)}")


def set_value(session: Session, argument: str) -> None:
    name, _, value = argument.partition(" ")
    settings = session.settings
    match name:
        case "max_new_tokens":
            settings = replace(settings, max_new_tokens=whole_number(value, "max_new_tokens", 1))
        case "steps":
            steps = None if value == "default" else whole_number(value, "steps", 1)
            settings = replace(settings, options=replace(settings.options, steps=steps))
        case "guidance":
            guidance = None if value == "default" else number(value, "guidance")
            settings = replace(settings, options=replace(settings.options, guidance=guidance))
        case "":
            pass
        case _:
            raise ValueError(f"/set knows {SETTINGS}, not {printable(name)!r}")
    session.settings = settings
    session.screen.line(parameters(session))


def parameters(session: Session) -> str:
    settings = session.settings
    steps, guidance = settings.options.steps, settings.options.guidance
    return (
        f"max_new_tokens {settings.max_new_tokens}, "
        f"steps {'default' if steps is None else steps}, "
        f"guidance {'default' if guidance is None else guidance}"
    )


def show(session: Session, argument: str) -> None:
    model(session, "")
    system(session, "")
    modalities(session, "")
    seed(session, "")
    session.screen.line(parameters(session))
    for number, media in enumerate(session.conversation.media(), start=1):
        session.screen.line(label(number, media))


def tokens(session: Session, argument: str) -> None:
    if session.usage is None:
        raise ValueError("nothing was answered yet")
    prompt, new = session.usage.prompt_tokens, session.usage.new_tokens
    session.screen.line(f"{prompt} tokens were read, {new} made; the next question reads all")


def model(session: Session, argument: str) -> None:
    if argument:
        session.conversation.require_beginning("a model")
        session.loading = ready(session.open_model(argument))
    session.screen.line(f"model {printable(session.model.maker.model)}")


def help_(session: Session, argument: str) -> None:
    for name, command in COMMANDS.items():
        session.screen.line(f"{name + ' ' + command.arguments:24}{command.help}")
    session.screen.line(
        '@path, @"a path" or a dropped file attaches; // begins a text with a slash;'
    )
    session.screen.line('""" begins and ends a text of several lines; Ctrl-C stops an answer')


def bye(session: Session, argument: str) -> None:
    session.over = True


# --- arguments


def paths(argument: str, usage: str) -> list[Path]:
    """As in a shell: quoted where they have spaces."""
    try:
        found = [open_path(word) for word in shlex.split(argument)]
    except ValueError:  # a quote that does not end, or an apostrophe
        found = [open_path(argument)]
    if not found:
        raise ValueError(f"write {usage} PATH")
    return found


def one_path(argument: str, usage: str) -> Path:
    found = paths(argument, usage) if argument else []
    if len(found) != 1:
        raise ValueError(f"write {usage}; quote a path with spaces")
    return found[0]


def whole_number(argument: str, name: str, least: int | None = None) -> int:
    try:
        value = int(argument)
    except ValueError:
        value = None
    if value is None or (least is not None and value < least):
        at_least = "" if least is None else f" of {least} or more"
        raise ValueError(f"{name} wants a whole number{at_least}, not {printable(argument)!r}")
    return value


def number(argument: str, name: str) -> float:
    try:
        value = float(argument)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} wants a number, not {printable(argument)!r}")
    return value


SETTINGS = "max_new_tokens, steps, guidance"
COMMANDS: dict[str, Command] = {
    "/help": Command("", "this list", help_),
    "/attach": Command("PATH...", "put files before the next message", attach),
    "/drop": Command("", "take them away again", drop),
    "/paste": Command("", "attach the picture in the clipboard", paste),
    "/record": Command("[SECONDS]", "attach what the microphone hears", record),
    "/play": Command("[N]", "play sound or video N here; alone: the last", play),
    "/open": Command("[N]", "open medium N in the system's viewer", open_medium),
    "/export": Command("N FILE", "write medium N as .png .jpg .webp .wav .flac .ogg .mp4", export),
    "/retry": Command("[SEED]", "ask the last question again, with another seed", retry),
    "/undo": Command("", "forget the last question and its answer", undo),
    "/edit": Command("[TEXT]", "change the last question", edit),
    "/reset": Command("", "forget the conversation", reset),
    "/history": Command("", "show the conversation", history),
    "/save": Command("FILE", "save it as .html, .md or .json", save),
    "/load": Command("FILE.json", "go on with a saved one", load),
    "/seed": Command("[N]", "number turns again, from another seed", seed),
    "/modalities": Command("[LIST|all]", "what answers may hold, as in text,image", modalities),
    "/set": Command("[NAME VALUE]", f"change {SETTINGS}", set_value),
    "/system": Command("[TEXT]", "the system prompt of a new conversation", system),
    "/model": Command("[NAME]", "the model of a new conversation", model),
    "/show": Command("", "settings, and all media", show),
    "/tokens": Command("", "how long the conversation is for the model", tokens),
    "/bye": Command("", "leave; so does Ctrl-D", bye),
}
ALIASES = {
    "/?": "/help",
    "/add": "/attach",
    "/image": "/attach",
    "/audio": "/attach",
    "/video": "/attach",
    "/clear": "/reset",
    "/exit": "/bye",
    "/quit": "/bye",
}

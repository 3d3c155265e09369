"""What a person can tell the chat itself: one row for each /command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from anygen.chat import transcript
from anygen.chat.attachments import open_path, parse_line
from anygen.chat.session import EditRequest, Session, keep, label, ready, run_turn, show_attached
from anygen.conversation.history import Turn
from anygen.core.media import Media, Message, Part, media_of
from anygen.core.modality import MODALITIES, parse_modalities
from anygen.generation.option_names import NAMES, changed, described
from anygen.generation.options import AnswerOptions, Edit
from anygen.io.media_files import printable, read_comment, read_media, write_media
from anygen.terminal import capture, playback

# a medium, how far it may change, and what is to change: 2 0.4 make the background blue
EDIT = re.compile(r"(\d+)\s+(?:(\d*\.\d+)\s+)?(\S.*)", re.DOTALL)


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
    turn = session.conversation.undo()
    ask_again(session, turn, turn.question.parts, seed, change_of(turn))


def undo(session: Session, argument: str) -> None:
    session.screen.line(f"forgot: {as_line(session.conversation.undo())}")


def edit(session: Session, argument: str) -> None:
    """`2 make it blue` or `2 0.4 make it blue` is about medium 2; a text takes the place of the
    last question, and is asked at once; alone it brings that question back to the prompt."""
    if about_medium := EDIT.fullmatch(argument):
        edit_medium(session, int(about_medium[1]), about_medium[2], about_medium[3])
        return
    turn = session.conversation.undo()
    if argument:
        ask_again(session, turn, parse_line(argument))
    else:
        session.draft = as_line(turn)


def edit_medium(session: Session, number: int, strength: str | None, text: str) -> None:
    """Asks for a changed medium, which the model sees once more before the text."""
    medium = session.conversation.medium(number)
    chosen = {"strength": float(strength)} if strength else {}
    edit = Edit(ref=number, **chosen)  # refuses a strength that is none
    seen = () if medium in session.conversation.attached else (medium,)
    parts = (*seen, *parse_line(text))
    show_attached(session, parts)
    run_turn(session, parts, change=EditRequest(medium, edit.strength))


def change_of(turn: Turn) -> EditRequest | None:
    """What the question of a turn asked to change."""
    edited, edit = turn.request.edited, turn.request.options.edit
    return EditRequest(edited, edit.strength) if edited and edit else None


def ask_again(
    session: Session,
    turn: Turn,
    parts: tuple[Part, ...],
    seed: int | None = None,
    change: EditRequest | None = None,
) -> None:
    """A question in the place of the last turn, which comes back if there is no answer."""
    turns = len(session.conversation.turns)
    try:
        run_turn(session, parts, seed, change)
    finally:
        if len(session.conversation.turns) == turns:
            session.conversation.turns.append(turn)


def as_line(turn: Turn) -> str:
    """What can be typed to ask the same."""
    edit, before = turn.request.options.edit, media_of(turn.request.messages[:-1])
    words, parts = [], turn.question.parts
    if edit and edit.ref <= len(before):
        words = [f"/edit {edit.ref} {edit.strength}"]
        parts = tuple(part for part in parts if part is not before[edit.ref - 1])
    words += [part if isinstance(part, str) else f'@"{part.path}"' for part in parts]
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
        said = session.settings.options.model_dump(exclude_unset=True) | {"modalities": chosen}
        use(session, AnswerOptions.model_validate(said))
    session.screen.line(f"modalities {','.join(session.settings.options.modalities or MODALITIES)}")


def set_value(session: Session, argument: str) -> None:
    """`steps 8`, `image.steps 8`, `steps default`; alone it shows what is set, and what can be."""
    name, _, value = argument.partition(" ")
    if name:
        if not value:
            raise ValueError(f"write /set {printable(name)} VALUE, or default")
        use(session, changed(session.settings.options, name, value.strip()))
    session.screen.line(parameters(session))
    if not name:
        session.screen.line(f"/set NAME VALUE changes one of {', '.join(NAMES)}")


def use(session: Session, options: AnswerOptions) -> None:
    session.settings = replace(session.settings, options=options)


def parameters(session: Session) -> str:
    return ", ".join(described(session.settings.options)) or "all settings are the default"


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
    usage = session.usage
    session.screen.line(
        f"the model knows {usage.prompt_tokens} tokens of the conversation, {usage.cached_tokens} "
        f"of them from before; it made {usage.new_tokens} of text"
    )


def model(session: Session, argument: str) -> None:
    if argument:
        session.conversation.require_beginning("a model")
        session.loading = ready(session.open_model(argument))
    session.screen.line(f"model {printable(session.model.model_id.model)}")


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
    "/edit": Command("[TEXT]", "change the last question; /edit 2 in blue changes medium 2", edit),
    "/reset": Command("", "forget the conversation", reset),
    "/history": Command("", "show the conversation", history),
    "/save": Command("FILE", "save it as .html, .md or .json", save),
    "/load": Command("FILE.json", "go on with a saved one", load),
    "/seed": Command("[N]", "number turns again, from another seed", seed),
    "/modalities": Command("[LIST|all]", "what answers may hold, as in text,image", modalities),
    "/set": Command("[NAME VALUE]", "change a setting, as in /set steps 8", set_value),
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

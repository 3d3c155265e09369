"""The /commands of a chat, one row each in COMMANDS."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from anygen.chat import transcript
from anygen.chat.attachments import open_path, parse_line
from anygen.chat.display import label, show_attached
from anygen.chat.session import EditRequest, Session, loaded
from anygen.chat.turn import run_turn, save_media
from anygen.conversation.history import Turn
from anygen.core.media import Media, Message, Part, media_of
from anygen.core.modality import MODALITIES, parse_modalities
from anygen.core.schema import did_you_mean
from anygen.generation.option_names import NAMES, changed, described
from anygen.generation.options import AnswerOptions, Edit
from anygen.io.media_files import printable, read_comment, read_media, write_media
from anygen.terminal import capture, playback

# The number of a medium, optionally a strength, and an instruction: 2 0.4 make it blue
EDIT = re.compile(r"(\d+)\s+(?:(\d*\.\d+)\s+)?(\S.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    arguments: str
    help: str
    run: Callable[[Session, str], None]


def run_command(session: Session, line: str) -> None:
    """Raises ValueError for an unknown command or one that cannot be carried out, and OSError."""
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(ALIASES.get(name, name))
    if command is None:
        hint = did_you_mean(name, [*COMMANDS, *ALIASES]) or "; /help lists them"
        raise ValueError(f"no command {printable(name)}{hint} (// sends a text with a slash)")
    command.run(session, argument.strip())


# --- attachments


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
    attach_media(session, save_media(capture.clipboard_image(), session.settings.out))


def record(session: Session, argument: str) -> None:
    seconds = whole_number(argument or "3", "/record", 1)
    session.screen.line(f"recording {seconds} s ...")
    attach_media(session, save_media(capture.record(seconds), session.settings.out))


# --- turns


def retry(session: Session, argument: str) -> None:
    """Asks the last question again, with this seed or the next one."""
    seed = whole_number(argument, "/retry") if argument else None
    turn = session.conversation.undo()
    replace_turn(session, turn, turn.question.parts, seed, edit_of(turn))


def undo(session: Session, argument: str) -> None:
    session.screen.line(f"forgot: {as_line(session.conversation.undo())}")


def edit(session: Session, argument: str) -> None:
    """`2 make it blue` or `2 0.4 make it blue` changes medium 2. Any other text replaces the last
    question and is asked at once; without a text that question comes back to the prompt."""
    if match := EDIT.fullmatch(argument):
        number, strength, text = match.groups()
        edit_medium(session, int(number), strength, text)
        return
    turn = session.conversation.undo()
    if argument:
        replace_turn(session, turn, parse_line(argument))
    else:
        session.prefill = as_line(turn)


def edit_medium(session: Session, number: int, strength: str | None, text: str) -> None:
    """Asks for a changed medium; it stands in the question too, so that the model sees it again."""
    conversation = session.conversation
    medium = conversation.medium(number)
    edit = Edit(ref=number, strength=float(strength)) if strength else Edit(ref=number)
    repeated = () if medium in conversation.attached else (medium,)
    parts = (*repeated, *parse_line(text))
    show_attached(session.screen, parts, len(conversation.media()))
    run_turn(session, parts, edit=EditRequest(medium, edit.strength))


def edit_of(turn: Turn) -> EditRequest | None:
    """The edit that the question of a turn asked for."""
    edited, edit = turn.request.edited, turn.request.options.edit
    return EditRequest(edited, edit.strength) if edited and edit else None


def replace_turn(
    session: Session,
    turn: Turn,
    parts: tuple[Part, ...],
    seed: int | None = None,
    edit: EditRequest | None = None,
) -> None:
    """Asks a question in place of the turn, which is put back if there is no answer."""
    turns = len(session.conversation.turns)
    try:
        run_turn(session, parts, seed, edit)
    finally:
        if len(session.conversation.turns) == turns:
            session.conversation.turns.append(turn)


def as_line(turn: Turn) -> str:
    """A line that asks the same question when it is typed."""
    edit, earlier = turn.request.options.edit, media_of(turn.request.messages[:-1])
    words, parts = [], turn.question.parts
    if edit and edit.ref <= len(earlier):
        words = [f"/edit {edit.ref} {edit.strength}"]
        parts = tuple(part for part in parts if part is not earlier[edit.ref - 1])
    words += [part if isinstance(part, str) else f'@"{part.path}"' for part in parts]
    return " ".join(words)


def reset(session: Session, argument: str) -> None:
    session.conversation.reset()


def history(session: Session, argument: str) -> None:
    number = 0
    for role, parts, note in transcript.noted_messages(session.conversation):
        session.screen.line(f"{role}{note}:")
        for part in parts:
            number += not isinstance(part, str)
            session.screen.line(f"  {part if isinstance(part, str) else label(number, part)}")


def save(session: Session, argument: str) -> None:
    path = one_path(argument, "/save FILE.html, .md or .json")
    transcript.save_conversation(session, path)
    session.screen.line(f"saved {printable(path)}")


def load(session: Session, argument: str) -> None:
    path = one_path(argument, "/load FILE.json")
    turns = transcript.load_conversation(session, path)
    session.screen.line(f"loaded {printable(path)}, {turns} turns")
    if turns and not session.conversation.turns:
        session.screen.line("(it was saved with other weights: /retry and /undo cannot reach it)")


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
    """The medium of this number, or the last one."""
    conversation = session.conversation
    number = whole_number(argument, command) if argument else len(conversation.media())
    return conversation.medium(number)


# --- settings


def seed(session: Session, argument: str) -> None:
    if argument:
        session.conversation.seed = whole_number(argument, "/seed")
        session.conversation.questions_asked = 0
    session.screen.line(f"seed {session.conversation.seed}")


def system(session: Session, argument: str) -> None:
    conversation = session.conversation
    if argument:
        conversation.require_beginning("a system prompt")
        conversation.preamble = (Message("system", (argument,)),)
    words = [str(part) for message in conversation.system for part in message.parts]
    session.screen.line(f"system prompt: {' '.join(words) or 'the default of the model'}")


def modalities(session: Session, argument: str) -> None:
    if argument:
        chosen = None if argument == "all" else parse_modalities(argument)
        options = session.settings.options.model_dump(exclude_unset=True) | {"modalities": chosen}
        change_options(session, AnswerOptions.model_validate(options))
    session.screen.line(f"modalities {','.join(session.settings.options.modalities or MODALITIES)}")


def set_value(session: Session, argument: str) -> None:
    """`steps 8`, `image.steps 8` or `steps default`; without a name, shows what can be set."""
    name, _, value = argument.partition(" ")
    if name:
        if not value:
            raise ValueError(f"write /set {printable(name)} VALUE, or default as the value")
        change_options(session, changed(session.settings.options, name, value.strip()))
    session.screen.line(changed_settings(session))
    if not name:
        session.screen.line(f"/set NAME VALUE changes one of {', '.join(NAMES)}")


def change_options(session: Session, options: AnswerOptions) -> None:
    session.settings = replace(session.settings, options=options)


def changed_settings(session: Session) -> str:
    return ", ".join(described(session.settings.options)) or "all settings have their defaults"


def show(session: Session, argument: str) -> None:
    model(session, "")
    system(session, "")
    modalities(session, "")
    seed(session, "")
    session.screen.line(changed_settings(session))
    for number, media in enumerate(session.conversation.media(), start=1):
        session.screen.line(label(number, media))


def tokens(session: Session, argument: str) -> None:
    if session.usage is None:
        raise ValueError("there is no answer yet")
    usage = session.usage
    session.screen.line(
        f"the last answer read {usage.prompt_tokens} tokens, {usage.cached_tokens} of them from "
        f"its cache, and wrote {usage.new_tokens}"
    )


def model(session: Session, argument: str) -> None:
    if argument:
        session.conversation.require_beginning("a model")
        session.loading = loaded(session.open_model(argument))
    session.screen.line(f"model {printable(session.model.model_id.model)}")


def help_(session: Session, argument: str) -> None:
    for name, command in COMMANDS.items():
        session.screen.line(f"{name + ' ' + command.arguments:24}{command.help}")
    session.screen.line(
        '@path, @"a path" or a dropped file attaches it; // starts a text with a slash;'
    )
    session.screen.line('""" starts and ends a text of several lines; Ctrl-C stops an answer')


def bye(session: Session, argument: str) -> None:
    session.over = True


# --- arguments


def paths(argument: str, usage: str) -> list[Path]:
    """Paths as a shell splits them. Raises ValueError if there are none."""
    try:
        found = [open_path(word) for word in shlex.split(argument)]
    except ValueError:  # an unbalanced quote, such as an apostrophe in a file's name
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
        raise ValueError(f"{name} needs a whole number{at_least}, not {printable(argument)!r}")
    return value


COMMANDS: dict[str, Command] = {
    "/help": Command("", "list the commands", help_),
    "/attach": Command("PATH...", "attach files to the next message", attach),
    "/drop": Command("", "remove what is attached", drop),
    "/paste": Command("", "attach the picture in the clipboard", paste),
    "/record": Command("[SECONDS]", "record from the microphone and attach it", record),
    "/play": Command("[N]", "play sound or video N, or the last one", play),
    "/open": Command("[N]", "open medium N in the system's viewer", open_medium),
    "/export": Command("N FILE", "write medium N as .png .jpg .webp .wav .flac .ogg .mp4", export),
    "/retry": Command("[SEED]", "ask the last question again, with another seed", retry),
    "/undo": Command("", "forget the last question and its answer", undo),
    "/edit": Command("[TEXT]", "reword the last question; /edit 2 in blue edits medium 2", edit),
    "/reset": Command("", "start a new conversation", reset),
    "/history": Command("", "show the conversation", history),
    "/save": Command("FILE", "save the conversation as .html, .md or .json", save),
    "/load": Command("FILE.json", "continue a saved conversation", load),
    "/seed": Command("[N]", "show the seed, or start again from seed N", seed),
    "/modalities": Command("[LIST|all]", "what answers may contain: text,image", modalities),
    "/set": Command("[NAME VALUE]", "show the settings, or change one: /set steps 8", set_value),
    "/system": Command("[TEXT]", "show the system prompt, or set it before you start", system),
    "/model": Command("[NAME]", "show the model, or change it before you start", model),
    "/show": Command("", "show all settings and media", show),
    "/tokens": Command("", "show the token counts of the last answer", tokens),
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

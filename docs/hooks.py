"""What mkdocs does beside rendering docs/: pages from elsewhere, and tables made from the code."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from anygen.chat.slash_commands import COMMANDS
from anygen.config.loader import CONFIGS, load, read_settings
from anygen.config.run import Run

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """README and CONTRIBUTING are pages too; a link to them is ../README.md, as it is on disk."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
        for name, target in PAGES.items():
            text = text.replace(f"]({name}", f"]({target}")
        text = text.replace("[NOTICE](NOTICE)", "`NOTICE`")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    for source, name in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    for marker, table in {"<!-- commands -->": command_table, "<!-- runs -->": run_table}.items():
        if marker in markdown:
            markdown = markdown.replace(marker, table())
    return markdown


def command_table() -> str:
    """The commands of the chat with what /help says of them."""
    rows = [
        f"| `{f'{name} {command.arguments}'.strip()}` | {cell(command.help)} |"
        for name, command in COMMANDS.items()
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def run_table() -> str:
    """The training runs of configs/mini: stage, steps, and the time that the YAML states."""
    rows = []
    for path in sorted((CONFIGS / "mini").glob("*.yaml")):
        if "stage" in read_settings(path):
            run = load(Run, f"mini/{path.stem}")
            first = path.read_text(encoding="utf-8").splitlines()[0]
            duration = first.partition(": ")[2].split(".")[0]
            rows.append(f"| `mini/{path.stem}` | `{run.stage}` | {run.steps} | {duration} |")
    return "\n".join(["| run | stage | steps | takes |", "|---|---|--:|---|", *rows])


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")

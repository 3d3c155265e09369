"""A session of the arena: matches, one after another, and their votes in a folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anygen.config.placement import Placement
from anygen.evaluation.arena.battles import FILE, Battle, append_battle, read_file
from anygen.evaluation.arena.matches import (
    Match,
    Prompt,
    open_models,
    play_matches,
    read_prompts,
)
from anygen.evaluation.arena.voters import StopVotingError
from anygen.evaluation.suites.base import Answerer
from anygen.evaluation.suites.reading import read_json
from anygen.io.atomic import write_json

IDENTITY = "arena.json"
Voter = Callable[[Match], Battle | None]


@dataclass(frozen=True)
class Session:
    """The prompts that have no vote yet are asked; a folder belongs to one set of models."""

    models: Mapping[str, Answerer]
    prompts: Sequence[Prompt]
    out: Path
    seed: int

    @classmethod
    def open(
        cls, names: Sequence[str], prompts: Path, out: Path, seed: int, place: Placement
    ) -> "Session":
        """Raises ValueError for unreadable prompts or models, and for a folder of other votes."""
        found, models = read_prompts(prompts), open_models(names, place)
        claim(out, names, seed)  # after all else, so that a slip in a name leaves no folder behind
        return cls(models, found, out, seed)

    def run(self, voter: Voter) -> Iterator[str]:
        """Asks and votes until all prompts are done or the voter stops; yields what to print."""
        done = {battle.id for battle in self.battles()}
        skipped = 0
        try:
            for match in play_matches(self.models, self.prompts, self.seed, done):
                yield from match.failures
                battle = None if match.failures else voter(match)
                if battle is None:
                    skipped += 1
                    continue
                append_battle(self.out, battle)
                yield f"{battle.id}: {winner(battle)}"
        except StopVotingError:
            yield "stopped; the same command goes on from here"
        ids = {prompt.id for prompt in self.prompts}
        count = len(ids & {battle.id for battle in self.battles()})
        yield f"{count} of {len(self.prompts)} prompts have a vote, {skipped} were left out"
        yield f"anygen arena rate {self.out} shows the ratings"

    def battles(self) -> list[Battle]:
        path = self.out / FILE
        return read_file(path) if path.is_file() else []


def winner(battle: Battle) -> str:
    return {"first": battle.first, "second": battle.second}.get(battle.vote, battle.vote)


def claim(out: Path, names: Sequence[str], seed: int) -> None:
    """Raises ValueError if the folder has the votes of others."""
    identity = {"models": sorted(names), "seed": seed}
    path = out / IDENTITY
    if path.is_file() and read_json(path) != identity:
        raise ValueError(f"{out} holds votes on other models or of another seed; choose another")
    out.mkdir(parents=True, exist_ok=True)
    write_json(identity, path)

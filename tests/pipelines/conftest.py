import pytest

from support.diffusers_pipelines import publish
from support.pipeline_tasks import condition, published_decoder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    made = {}

    def folder_of(family):
        if family not in made:
            made[family] = publish(family, tmp_path_factory.mktemp(family))
        return made[family]

    return folder_of


@pytest.fixture
def decoder(family, folders, monkeypatch):
    """Its caption is a fixed one: the folder has no text encoders."""
    made = published_decoder(family, folders(family))
    negative = condition(made, seed=99)
    monkeypatch.setattr(made, "encode_prompt", lambda captions: negative[None])
    return made

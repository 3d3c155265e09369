"""What the server gives a browser: files of this host alone, and a key for a token, once."""

import re

import pytest

from anygen.web.page import FILES, SESSION, STATIC

MAX_BYTES = 80_000


def test_the_page_is_small_and_names_no_other_host():
    assert sum(path.stat().st_size for path in FILES.values()) < MAX_BYTES
    for path in FILES.values():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_every_word_exists_in_both_languages():
    english, chinese = re.split(r"^  zh: \{", (STATIC / "words.js").read_text(), flags=re.MULTILINE)
    names = [re.findall(r"(\w+): \"", text) for text in (english, chinese)]
    assert sorted(names[0]) == sorted(names[1])
    pages = "".join(path.read_text() for path in FILES.values())
    used = set(re.findall(r"data-(?:word|label|hint)=\"(\w+)\"|word\(\"(\w+)\"", pages))
    assert {name for pair in used for name in pair if name} <= set(names[0])


@pytest.mark.parametrize("path", ["/", *FILES])
def test_files_of_the_page_need_no_key_and_allow_nothing_foreign(served, path):
    reply = served.http.get(path)
    assert reply.status_code == 200
    policy = dict(
        part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert "unsafe" not in str(policy)
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_everything_else_needs_the_key(served):
    for path in ("/v1/models", "/metrics", "/static/../page.py", "/nothing"):
        assert served.http.get(path).status_code in (401, 404)
    assert served.http.get("/v1/models").status_code == 401


def begin(served, token, **headers):
    return served.http.post(SESSION, headers={"Authorization": f"Bearer {token}", **headers})


def test_a_token_is_exchanged_for_the_key_once(served, page_of_server):
    token = page_of_server.token
    assert page_of_server.address(served.url) == f"{served.url}/#token={token}"
    assert begin(served, "wrong").status_code == 403
    assert begin(served, token, Origin="https://evil.example").status_code == 403
    key = begin(served, token).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    assert served.http.get("/v1/models", headers=headers).status_code == 200
    for used in (token, "None", "."):
        assert begin(served, used).json()["error"]["code"] == "invalid_token"

"""A tiny model behind a real server on loopback, in a thread of this process."""

import json
import socket
import threading
import time
from base64 import b64decode
from contextlib import contextmanager

import httpx2
from openai import OpenAI

from anygen.serve.app import Server, address_of, bind
from anygen.serve.service import Service
from anygen.serve.settings import ServeSettings

STEPS = {"steps": 2}
# Texts between media: the tiny model writes letters at random, and some of them end its answer.
OPTIONS = {
    "temperature": 2.0,
    "repetition_penalty": 1.5,
    "begin": "image",
    "exactly": {"image": 2, "audio": 2, "video": 1},
    "stop": ["e", "o", "a"],
    "max_new_tokens": 60,
    "media": {"image": STEPS, "audio": STEPS, "video": STEPS},
}
SEED = 2
IMAGE = {"exactly": {"image": 1}, "modalities": ["image"], "media": {"image": STEPS}}


def item_content(item):
    """(modality, text or bytes of the file) of an item of a response."""
    if item["type"] == "message":
        return "text", item["content"][0]["text"]
    if item["type"] == "image_generation_call":
        return "image", b64decode(item["result"])
    return item["type"].removeprefix("anygen:"), b64decode(item["data"])


@contextmanager
def failing(model, monkeypatch, modality="image"):
    """Media of a modality cannot be made meanwhile."""

    def sample(requests, on_step, cancelled):
        raise ValueError("the paint is dry")

    with monkeypatch.context() as patch:
        patch.setattr(model.model.decoders[modality], "sample", sample)
        yield


class Served:
    """A server, its service and clients of it."""

    def __init__(self, service, server, url):
        self.service, self.url, self.server = service, url, server
        self.http = httpx2.Client(base_url=url, timeout=300, trust_env=False)
        self.openai = OpenAI(
            base_url=f"{url}/v1",
            api_key="key",
            max_retries=0,
            http_client=httpx2.Client(timeout=300, trust_env=False),
        )

    def send(self, path, body):
        """Posts and reads nothing; the connection is the caller's to close."""
        host, port = self.url.removeprefix("http://").split(":")
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        connection = socket.create_connection((host, int(port)), timeout=300)
        head += "Connection: close\r\n"
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return connection

    def is_idle(self, seconds=300):
        """Whether every place and every slot of the engine becomes free in time."""
        end = time.monotonic() + seconds
        engine = self.service.model.engine
        while self.service.places or engine.slots or engine.waiting:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


@contextmanager
def serving(model, extra=None, **settings):
    """A running server; `extra` is a page that it has, too."""
    chosen = ServeSettings(port=0, **settings).checked()
    service = Service(model, chosen)
    server = Server(service, extra)
    with bind(chosen) as found:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [found]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        served = Served(service, server, address_of(found))
        try:
            yield served
        finally:
            served.http.close()
            served.openai.close()
            server.should_exit = True
            thread.join()

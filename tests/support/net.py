"""A network for `anygen.io.remote` that consists of one server on loopback."""

import socket
import threading
from contextlib import contextmanager

from anygen.io import remote

PUBLIC = "93.184.215.14"


def reply(body=b"cat", status="200 OK", **headers):
    fields = {"Content_Length": len(body), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def redirect(location):
    return reply(b"", "302 Found", Location=location)


class Net:
    """A network of one server, whatever the address; `names` are what names resolve to."""

    def __init__(self, port):
        self.port = port
        self.names = {}
        self.replies = []
        self.requests, self.connections = [], []

    def resolve(self, host, port):
        addresses = self.names.get(host, [[PUBLIC]])
        return addresses.pop(0) if len(addresses) > 1 else addresses[0]

    def connect(self, address, port):
        self.connections.append((address, port))
        return socket.create_connection(("127.0.0.1", self.port), 60)

    def replace(self, monkeypatch):
        """From now on, it is the network that media are downloaded from."""
        monkeypatch.setattr(remote, "resolve", self.resolve)
        monkeypatch.setattr(remote, "connect", self.connect)


@contextmanager
def listening(serve):
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = False

        def work():
            while not ended:
                with server.accept()[0] as connection:
                    if not ended:
                        serve(connection)

        thread = threading.Thread(target=work)
        thread.start()
        yield server.getsockname()[1]
        ended = True
        socket.create_connection(server.getsockname(), 60).close()
        thread.join()


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(4096)):
        data += more
    return data.decode()


@contextmanager
def network(monkeypatch):
    """One whose server answers with `replies`, or else with a reply."""

    def serve(connection):
        found.requests.append(read_request(connection))
        connection.sendall(found.replies.pop(0) if found.replies else reply())

    with listening(serve) as port:
        found = Net(port)
        found.replace(monkeypatch)
        yield found

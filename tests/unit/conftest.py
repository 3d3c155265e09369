"""A scripted endpoint: no network, and no LLM."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@pytest.fixture
def serve():
    """Starts a server whose answers are `reply(body)`: a text, or a status to fail with.

    `requests` lists (path, body, headers); `finish_reason` is that of all answers.
    """
    servers = []

    def start(reply):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append((self.path, body, self.headers))
                answer = reply(body)
                self.send_response(answer if isinstance(answer, int) else 200)
                self.send_header("Retry-After", "7")
                self.end_headers()
                if isinstance(answer, str):
                    message = {
                        "message": {"content": answer},
                        "finish_reason": server.finish_reason,
                    }
                    self.wfile.write(json.dumps({"choices": [message]}).encode())

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.requests, server.finish_reason = [], "stop"
        server.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()

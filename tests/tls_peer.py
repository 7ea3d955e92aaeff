"""A server of TLS for tests, which notes what its clients send."""

import socket
import ssl
import threading
from pathlib import Path


class Peer:
    """A server of TLS that notes what its clients send after the handshake, and answers nothing."""

    def __init__(self, pem: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sent: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(20)
                try:
                    with self._context.wrap_socket(client, server_side=True) as secured:
                        if data := secured.recv(16):
                            self.sent.append(data)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

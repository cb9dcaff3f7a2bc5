"""Receivers on this machine: one for HTTP and one for mail, each in a thread."""

import http.server
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass
class Posted:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Web(http.server.ThreadingHTTPServer):
    """Takes POST and answers what `answers` says next, as (status, headers); 204 when it says nothing."""

    daemon_threads = True

    def __init__(self):
        self.posted, self.answers = [], []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Web

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(Posted(self.path, {key.lower(): each for key, each in self.headers.items()}, body))
        status, headers = self.server.answers.pop(0) if self.server.answers else (204, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@dataclass
class Mail:
    """A mail as it came."""

    sender: str
    to: list[str]
    text: str
    encrypted: bool
    user: bool


class Post(socketserver.ThreadingTCPServer):
    """As much of SMTP as a client needs: EHLO, STARTTLS, AUTH PLAIN, MAIL, RCPT, DATA, QUIT.

    `refuses` has the reply to a command instead of the usual one, e.g. `{"RCPT": "550 nobody"}`.
    """

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, certificate=None, tls=False):
        self.mails, self.refuses, self.strangers = [], {}, set()
        self.certificate, self.tls = certificate, tls
        super().__init__(("127.0.0.1", 0), _Session)
        self.port = self.server_address[1]


class _Session(socketserver.StreamRequestHandler):
    server: Post

    def handle(self):
        self.encrypted, self.user, self.sender, self.to = False, False, "", []
        if self.server.tls:
            self._encrypt()
        self._say("220 here")
        while line := self.rfile.readline():
            word = line.decode().strip()
            verb = word.split(" ")[0].split(":")[0].upper()
            if verb in self.server.refuses:
                self._say(self.server.refuses[verb])
            elif not self._answer(verb, word):
                return

    def _answer(self, verb, word):
        if verb == "EHLO":
            more = [] if self.encrypted or not self.server.certificate else ["STARTTLS"]
            lines = ["here", *more, "AUTH PLAIN"]
            self._say("\r\n".join([*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}"]))
        elif verb == "STARTTLS":
            self._say("220 go on")
            self._encrypt()
        elif verb == "AUTH":
            self.user = True
            self._say("235 welcome")
        elif verb == "DATA":
            self._say("354 go on")
            text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
            if "DOT" in self.server.refuses:
                self._say(self.server.refuses["DOT"])
            else:
                self.server.mails.append(Mail(self.sender, self.to, text, self.encrypted, self.user))
                self._say("250 taken")
        elif verb == "QUIT":
            self._say("221 bye")
            return False
        else:
            if verb == "MAIL":
                self.sender = word.split("<")[1].split(">")[0]
            elif verb == "RCPT" and word.split("<")[1].split(">")[0] in self.server.strangers:
                self._say("550 nobody")
                return True
            elif verb == "RCPT":
                self.to.append(word.split("<")[1].split(">")[0])
            self._say("250 fine")
        return True

    def _encrypt(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certificate)
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.encrypted = True

    def _say(self, line):
        self.wfile.write(f"{line}\r\n".encode())

    def finish(self):
        for each in (self.rfile, self.wfile, self.connection):
            each.close()


class Listening:
    """A receiver while it listens."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self.server

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@dataclass
class Certificate:
    """A certificate of this machine that signs itself, with its key in the same file."""

    folder: Path
    path: str = field(default="", init=False)

    def __post_init__(self):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key, name = (
            ec.generate_private_key(ec.SECP256R1()),
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")]),
        )
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self.folder / "certificate.pem"
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
        self.path = str(file)

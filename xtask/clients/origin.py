"""The origin of the runs with real clients: an apt repository, a package index for pip, a registry for npm, a git
repository and a page, over http and https.

Usage: origin.py DIRECTORY CERTIFICATE KEY HTTP_PORT HTTPS_PORT

The first start fills DIRECTORY; a port of 0 is a free one. The first line on standard output names both ports. Every
request is noted in DIRECTORY/requests, a line each.
"""

import base64
import hashlib
import http.server
import io
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tarfile
import threading
import urllib.parse
import zipfile

ROOT = pathlib.Path(sys.argv[1])
CERTIFICATE, KEY = sys.argv[2], sys.argv[3]
# Anything older than a day would do: the heuristics for responses without a lifetime look at it.
MODIFIED = "Sat, 01 Aug 2026 08:00:00 GMT"
LOCK = threading.Lock()


def run(*command, cwd=None, **environment):
    subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)


def make_apt():
    """A repository of one package, made with dpkg-scanpackages."""
    repository = ROOT / "apt"
    control = repository / "build" / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        "Package: pond\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: a pond\n"
    )
    share = repository / "build" / "usr" / "share" / "pond"
    share.mkdir(parents=True)
    (share / "water").write_bytes(bytes(range(256)) * 2000)
    pool = repository / "pool" / "main" / "p" / "pond"
    pool.mkdir(parents=True)
    run("dpkg-deb", "--build", "--root-owner-group", "build", str(pool / "pond_1.0_all.deb"), cwd=repository)
    dist = repository / "dists" / "stable"
    index = dist / "main" / "binary-amd64"
    index.mkdir(parents=True)
    packages = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "pool"], cwd=repository, check=True, capture_output=True
    ).stdout
    (index / "Packages").write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    by_hash = index / "by-hash" / "SHA256"
    by_hash.mkdir(parents=True)
    (by_hash / digest).write_bytes(packages)
    (dist / "Release").write_text(
        "Origin: pond\nSuite: stable\nCodename: stable\nArchitectures: amd64 all\nComponents: main\n"
        "Date: Sat, 01 Aug 2026 08:00:00 UTC\nAcquire-By-Hash: yes\nSHA256:\n"
        f" {digest} {len(packages)} main/binary-amd64/Packages\n"
    )
    home = repository / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    run(*gpg, "--quick-gen-key", "pond@example.com", "rsa2048", "sign", "never")
    run(*gpg, "--output", str(repository / "key.gpg"), "--export")
    run(*gpg, "--output", str(dist / "InRelease"), "--clearsign", str(dist / "Release"))
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def make_pip():
    """A package index (PEP 503) of one wheel."""
    files = ROOT / "packages"
    files.mkdir(parents=True)
    wheel = files / "pondling-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pondling.py", "DEPTH = 3\n")
        archive.writestr("pondling-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pondling\nVersion: 1.0\n")
        archive.writestr(
            "pondling-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: pond\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("pondling-1.0.dist-info/RECORD", "pondling.py,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    simple = ROOT / "simple" / "pondling"
    simple.mkdir(parents=True)
    (simple / "index.html").write_text(
        f'<!DOCTYPE html><html><body><a href="/packages/{wheel.name}#sha256={digest}">{wheel.name}</a></body></html>'
    )


def make_npm():
    """What a registry says of one package. The address of the tarball is put in when it is asked for."""
    manifest = json.dumps({"name": "pondlet", "version": "1.0.0", "main": "index.js"}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in (("package/package.json", manifest), ("package/index.js", b"module.exports = 3;\n")):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    directory = ROOT / "pondlet" / "-"
    directory.mkdir(parents=True)
    (directory / "pondlet-1.0.0.tgz").write_bytes(buffer.getvalue())


def npm_document(base):
    tarball = (ROOT / "pondlet" / "-" / "pondlet-1.0.0.tgz").read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    version = {
        "name": "pondlet",
        "version": "1.0.0",
        "main": "index.js",
        "dist": {"tarball": f"{base}/pondlet/-/pondlet-1.0.0.tgz", "integrity": integrity},
    }
    return {"name": "pondlet", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}


def make_git():
    work = ROOT / "work"
    work.mkdir()
    (work / "readme").write_text("A pond.\n" * 1000)
    author = {f"GIT_{who}_{what}": "nobody@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    run("git", "init", "-q", cwd=work)
    run("git", "add", ".", cwd=work)
    run("git", "commit", "-qm", "first", cwd=work, **author)
    run("git", "clone", "-q", "--bare", str(work), str(ROOT / "pond.git"))
    run("git", "config", "http.receivepack", "false", cwd=ROOT / "pond.git")


def make_page():
    (ROOT / "page.html").write_text(
        "<!DOCTYPE html><title>pond</title><link rel=stylesheet href=style.css><p id=depth>unknown</p><script src=script.js></script>"
    )
    (ROOT / "style.css").write_text("p { color: green }\n")
    (ROOT / "script.js").write_text(
        "fetch('/depth.json').then(r => r.json()).then(d => { document.getElementById('depth').textContent = 'depth ' + d.depth })"
    )
    (ROOT / "depth.json").write_text('{"depth": 3}')


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self):
        with LOCK, open(ROOT / "requests", "a") as log:
            log.write(f"{self.command} {self.path}\n")

    def answer(self, status, content, kind, fields=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self):
        self.note()
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if path.startswith("/pond.git/"):
            return self.git(b"")
        if path == "/pondlet":
            base = f"https://localhost:{self.server.server_address[1]}"
            return self.file(json.dumps(npm_document(base)).encode(), "application/json")
        file = ROOT / path.lstrip("/")
        if path.endswith("/"):
            file = file / "index.html"
        if not file.is_file():
            return self.answer(404, b"nothing here\n", "text/plain")
        kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
        return self.file(file.read_bytes(), kinds.get(file.suffix, "application/octet-stream"))

    do_HEAD = do_GET

    def file(self, content, kind):
        """With validators, as a file server has them, and no lifetime."""
        tag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
        fields = [("ETag", tag), ("Last-Modified", MODIFIED)]
        if self.headers.get("If-None-Match") == tag or self.headers.get("If-Modified-Since") == MODIFIED:
            self.send_response(304)
            for name, value in fields:
                self.send_header(name, value)
            self.end_headers()
            return
        self.answer(200, content, kind, fields)

    def do_POST(self):
        self.note()
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/pond.git/"):
            return self.git(content)
        self.answer(200, b"you said " + content, "text/plain", [("Cache-Control", "no-store")])

    def git(self, content):
        """Asks git's own server side, by CGI."""
        split = urllib.parse.urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(ROOT),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": split.path,
            "QUERY_STRING": split.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(content)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        output = subprocess.run(
            ["git", "http-backend"], input=content, env=environment, check=True, capture_output=True
        ).stdout
        head, _, body = output.partition(b"\r\n\r\n")
        lines = [line.decode().split(": ", 1) for line in head.split(b"\r\n") if line]
        fields = dict(lines)
        status = int(fields.pop("Status", "200 OK").split()[0])
        kind = fields.pop("Content-Type", "text/plain")
        self.answer(status, body, kind, list(fields.items()))


def serve(port, tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE, KEY)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    if not ROOT.exists():
        ROOT.mkdir(parents=True)
        for make in (make_apt, make_pip, make_npm, make_git, make_page):
            make()
    ports = serve(int(sys.argv[4]), False), serve(int(sys.argv[5]), True)
    print(*ports, flush=True)
    threading.Event().wait()


main()

"""Origins for mitmproxy to record: HTTP/1.1 with WebSocket, and HTTP/2 over TLS. Only what a recording needs."""

import asyncio
import base64
import datetime
import gzip
import hashlib
import ssl

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

BINARY = bytes(range(256)) * 4
LARGE = b"0123456789abcdef" * 4096


def certificate(folder):
    """A certificate for localhost, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now.replace(year=2099))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    path = folder / "origin.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


async def http1(reader, writer):
    """Answers by path; one request a connection, but for a WebSocket."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = head.split("\r\n")
    path = lines[0].split(" ")[1]
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    body = await reader.readexactly(int(fields.get("Content-Length", 0)))
    if path == "/socket":
        await websocket(reader, writer, fields["Sec-WebSocket-Key"])
    elif path == "/chunked":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")
    elif path == "/cut":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    elif path == "/empty":
        writer.write(b"HTTP/1.1 204 No Content\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: close\r\n\r\n")
    else:
        answer, more = {
            "/binary": (BINARY, b""),
            "/large": (LARGE, b""),
            "/gzip": (gzip.compress(b"packed " * 40, mtime=0), b"Content-Encoding: gzip\r\n"),
        }.get(path, (b"you sent " + str(len(body)).encode() + b" bytes", b"X-Latin: \xe9t\xe9\r\n"))
        writer.write(b"HTTP/1.1 200 Fine\r\n%sContent-Length: %d\r\n\r\n" % (more, len(answer)) + answer)
    try:
        await writer.drain()
        writer.close()
    except ConnectionError:
        pass


async def websocket(reader, writer, key):
    """Sends every frame back, unmasked, until it is a close."""
    accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(accept) + b"\r\n\r\n"
    )
    while True:
        first, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(length & 0x7F)))
        writer.write(bytes([first, len(payload)]) + payload)
        await writer.drain()
        if first & 0x0F == 8:
            return


async def http2(reader, writer):
    """Answers every request with its path, and a trailer."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    paths = {}
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                paths[event.stream_id] = dict(event.headers)[b":path"]
            elif isinstance(event, h2.events.DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                connection.send_headers(event.stream_id, [(":status", "200"), ("x-origin", "h2")])
                connection.send_data(event.stream_id, b"h2 " + paths[event.stream_id])
                connection.send_headers(event.stream_id, [("x-trailer", "yes")], end_stream=True)
        writer.write(connection.data_to_send())
        await writer.drain()


async def start(folder):
    """Starts both origins; answers their ports."""
    plain = await asyncio.start_server(http1, "127.0.0.1", 0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    context.set_alpn_protocols(["h2"])
    secure = await asyncio.start_server(http2, "127.0.0.1", 0, ssl=context)
    return [server.sockets[0].getsockname()[1] for server in (plain, secure)]

"""Lets mitmproxy record a few exchanges: record.py FILE. Everything runs in this process, on loopback and free ports."""

import asyncio
import pathlib
import ssl
import sys
import tempfile

import h2.config
import h2.connection
import h2.events
import origin
from mitmproxy import options
from mitmproxy.tools.dump import DumpMaster

REQUESTS = [
    b"GET /text HTTP/1.1",
    b"POST /echo?a=1&b HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x00\xff\xfe",
    b"GET /binary HTTP/1.1",
    b"GET /gzip HTTP/1.1",
    b"GET /large HTTP/1.1",
    b"GET /chunked HTTP/1.1",
    b"GET /empty HTTP/1.1\r\nX-Twice: 1\r\nX-Twice: 2",
    b"GET /cut HTTP/1.1",
]


async def plain(proxy, port, request):
    """One request in absolute form, over a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    head, _, body = request.partition(b"\r\n\r\n")
    head = head.replace(b" /", b" http://127.0.0.1:%d/" % port, 1)
    writer.write(head + b"\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port + body)
    answer = await reader.read()
    writer.close()
    return answer


def frame(opcode, payload):
    """A masked frame; the mask is zero, so the payload is as it is."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def socket(proxy, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    writer.write(
        b"GET http://127.0.0.1:%d/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abcdefghijklmnopqrstuq==\r\n\r\n"
        % (port, port)
    )
    await reader.readuntil(b"\r\n\r\n")
    for opcode, payload in [(1, "héllo".encode()), (2, bytes([0, 255, 1])), (8, (1000).to_bytes(2, "big") + b"bye")]:
        writer.write(frame(opcode, payload))
        await reader.readexactly(2 + len(payload))
    writer.close()


async def secure(proxy, port, paths):
    """Requests over HTTP/2, through a tunnel that is opened."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy)
    writer.write(b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % (port, port))
    await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(inside, outside, server_hostname="localhost")

    async def step(call):
        while True:
            try:
                result = call()
                writer.write(outside.read())
                return result
            except ssl.SSLWantReadError:
                writer.write(outside.read())
                inside.write(await reader.read(65536))

    await step(tls.do_handshake)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    for number, path in enumerate(paths):
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", f"localhost:{port}"), (":path", path)]
        connection.send_headers(2 * number + 1, fields, end_stream=True)
    await step(lambda: tls.write(connection.data_to_send()))
    ended = 0
    while ended < len(paths):
        for event in connection.receive_data(await step(lambda: tls.read(65536))):
            ended += isinstance(event, h2.events.StreamEnded)
        if data := connection.data_to_send():
            await step(lambda: tls.write(data))
    writer.close()


class Count:
    """Tells when as many flows have come to an end as were asked for."""

    def __init__(self, wanted):
        self.left, self.all = wanted, asyncio.Event()
        self.up = asyncio.Event()

    def running(self):
        self.up.set()

    def one(self, flow):
        self.left -= 1
        if self.left == 0:
            self.all.set()

    def response(self, flow):
        if flow.websocket is None:
            self.one(flow)

    websocket_end = error = one


async def main(path):
    # Connections that are still open at the end are nothing to report.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        await record(path, pathlib.Path(folder))


async def record(path, folder):
    port, secure_port = await origin.start(folder)
    master = DumpMaster(options.Options(), with_termlog=False, with_dumper=False)
    master.options.update(
        listen_host="127.0.0.1", listen_port=0, confdir=str(folder), ssl_insecure=True, save_stream_file=path
    )
    master.options.update(stream_large_bodies="32k")
    paths = ["/one", "/two?x=ü".encode()]
    count = Count(len(REQUESTS) + 1 + len(paths))
    master.addons.add(count)
    running = asyncio.ensure_future(master.run())
    await count.up.wait()
    proxy = master.addons.get("proxyserver").listen_addrs()[0][1]
    for request in REQUESTS:
        await plain(proxy, port, request)
    await socket(proxy, port)
    await secure(proxy, secure_port, paths)
    await count.all.wait()
    master.shutdown()
    await running


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))

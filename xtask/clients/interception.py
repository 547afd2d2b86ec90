"""Clients of an intercepting proxy: each opens a tunnel to one of many hosts, TLS in it, and asks once.

Usage: interception.py PROXY_PORT AUTHORITY HOSTS CLIENTS SECONDS

Host number N is hostN.test, its content is "host N". Prints how many requests were answered and how many certificates were
seen; fails at the first wrong answer, and when a host showed two certificates.
"""

import hashlib
import random
import socket
import ssl
import sys
import threading
import time

PORT, AUTHORITY = int(sys.argv[1]), sys.argv[2]
HOSTS, CLIENTS, SECONDS = (int(argument) for argument in sys.argv[3:6])

seen, lock, faults, answered = {}, threading.Lock(), [], [0]


def ask(context, number):
    host = f"host{number}.test"
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as plain:
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += plain.recv(4096) or b"\r\n\r\n"
        if b" 200 " not in reply.split(b"\r\n")[0]:
            raise RuntimeError(f"CONNECT {host}: {reply!r}")
        with context.wrap_socket(plain, server_hostname=host) as tls:
            certificate = hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
            tls.sendall(f"GET /number HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while piece := tls.recv(65536):
                answer += piece
    if not answer.endswith(f"host {number}".encode()):
        raise RuntimeError(f"{host}: {answer!r}")
    with lock:
        answered[0] += 1
        if seen.setdefault(number, certificate) != certificate:
            raise RuntimeError(f"{host} showed two certificates")


def client(seed):
    context = ssl.create_default_context(cafile=AUTHORITY)
    chosen = random.Random(seed)
    until = time.monotonic() + SECONDS
    # All of them want the same new hosts at the same time first, and every host is asked for by somebody.
    numbers = iter([*range(10), *range(seed, HOSTS, CLIENTS)])
    while not faults and time.monotonic() < until:
        try:
            ask(context, next(numbers, chosen.randrange(HOSTS)))
        except Exception as error:
            faults.append(repr(error))


threads = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if faults:
    sys.exit(faults[0])
if len(set(seen.values())) != len(seen):
    sys.exit("two hosts showed the same certificate")
print(answered[0], len(seen))

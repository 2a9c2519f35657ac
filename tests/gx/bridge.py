#!/usr/bin/env python3
"""bridge.py SOCKET TTY: copies bytes between the emulated GX's USB adapter (a unix socket) and a pseudo terminal, forever."""

import os
import select
import socket
import sys
import time
import tty


def connect(path):
    """The emulator creates its socket some time after its start."""
    while True:
        try:
            end = socket.socket(socket.AF_UNIX)
            end.connect(path)
            return end
        except OSError:
            time.sleep(0.2)


def main(path, terminal):
    end = connect(path)
    port = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    while True:
        ready, _, _ = select.select([end, port], [], [])
        if end in ready:
            data = end.recv(4096)
            if not data:
                return
            os.write(port, data)
        if port in ready:
            end.sendall(os.read(port, 4096))


main(*sys.argv[1:])

"""Serves the project on a socket that is open already: `python -m jobsystem.serve <descriptor>`.

The caller opened it, so nobody can take the port between its choice and its use.
"""

from __future__ import annotations

import socket
import sys

import waitress

from .wsgi import application

if __name__ == "__main__":
    waitress.serve(application, sockets=[socket.socket(fileno=int(sys.argv[1]))])

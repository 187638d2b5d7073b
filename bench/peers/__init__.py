"""The systems a user would pick instead of this one, doing the same work: `make bench-peers`.

Nothing is imported here: the driver runs where only a peer is installed.
"""

"""What can go wrong on this machine, told as where, what and found."""


class LocalError(Exception):
    """A local cluster can't be built, started or stopped; the message says where, what and found."""

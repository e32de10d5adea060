"""What standalone says when it cannot go on."""


class CannotStart(Exception):
    """The message is for a person at a terminal: what is wrong, then what to do next."""

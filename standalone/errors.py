"""What standalone says when it cannot go on."""


class CannotStart(Exception):
    """The message is for a person at a terminal: what is wrong, then what to do next."""


class NotServing(Exception):
    """A program lives, but does not do what it is there for; the message says how that shows."""

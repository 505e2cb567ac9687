"""The one kind of error a person can put right: bad input, said in one sentence."""


class InputError(ValueError):
    """Input that cannot be used. The message is one sentence that names the value and the way out."""

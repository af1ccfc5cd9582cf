"""Bad input, told in one line."""

import sys


class InputError(Exception):
    """What the user gave is wrong: the message names the file, the key, the value and what is allowed.

    It is one line of what can be printed, whatever is in the names and values that it tells of: a name with a
    line break or a terminal's control sequence in it could otherwise pass for another message.
    """

    def __init__(self, message: str):
        super().__init__("".join(each if each.isprintable() else repr(each)[1:-1] for each in message))


def in_words(error: BaseException) -> str:
    """Return what a library raised as one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def run(main) -> None:
    """Run a script's `main`; bad input or an unusable file ends in one line and exit status 2."""
    try:
        main()
    except InputError as error:
        message = str(error)
    except OSError as error:
        if error.filename is None:
            raise
        message = str(InputError(f"{error.filename}: {error.strerror}"))
    else:
        return
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)

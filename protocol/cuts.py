"""Where an output of a worker is cut, so that neither the agent nor the server shows a part of a secret.

Imports only the standard library: a keeper runs for each worker.
"""

import re

LEFT_OUT = "\n[moreh-agent: %d bytes are left out here]\n"
VALUE_ENDS = rb"\s&\"'\\,;}"  # what no value after `password=` has in it
NEAR = 1024  # bytes in which a blank ends a word
_CUT_WORD = re.compile(rb"[ \t]*(?:\S{0,%d}\s|[^%s]*)" % (NEAR, VALUE_ENDS))


def rest_of_word(data: bytes) -> int:
    """Return how many bytes at the beginning may belong to a secret that began before them.

    That is the first word; of a long run without a blank, what goes on like a value.
    """
    found = _CUT_WORD.match(data)
    return found.end() if found else 0

"""import-linter in one process for many questions: to start it takes longer than to check a contract.

A line on stdin names the contracts to check in the current folder. The answer is a line of JSON: whether all are kept,
and the report.
"""

import json
import os
import sys
from contextlib import redirect_stdout
from io import StringIO

from importlinter import configuration
from importlinter.application.use_cases import lint_imports


def main() -> None:
    sys.path.insert(0, os.getcwd())  # as its own command does
    configuration.configure()
    for line in sys.stdin:
        report = StringIO()
        with redirect_stdout(report):
            kept = lint_imports(limit_to_contracts=tuple(line.split()), no_logo=True)
        print(json.dumps([kept, report.getvalue()]), flush=True)


if __name__ == "__main__":
    main()

"""``python -m app``: the same as ``passerelle``; without a command it runs the service."""

import sys

from app.commands.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["serve"]))

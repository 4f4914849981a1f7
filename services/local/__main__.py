"""`python -m services.local`: the whole platform on this machine, as `make run` starts it."""

import sys

from services.local.supervisor import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m data_tools.synthetic --out DIR`, the same as `python -m data_tools synthesize`."""

import sys

from data_tools.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["synthesize", *sys.argv[1:]]))

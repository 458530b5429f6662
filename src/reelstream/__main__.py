"""`python -m reelstream` is the command `reelstream`."""

from reelstream.cli import main

if __name__ == "__main__":
    main()

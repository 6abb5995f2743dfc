"""``python -m kerasae``."""

from kerasae.cli.app import main

if __name__ == "__main__":
    main()

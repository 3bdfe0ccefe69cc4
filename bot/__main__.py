"""`python -m bot` is `fsessions`: for places that install from the lock file alone (Heroku)."""

from bot.cli import main

if __name__ == "__main__":
    main()

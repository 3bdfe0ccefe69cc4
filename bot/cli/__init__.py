"""The programs: `fsessions serve`, `demo`, `check`, `lookup`."""

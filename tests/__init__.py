"""Tests: `unit` (pure parts), `scenarios` (real servers), `contracts` (what must not drift)."""

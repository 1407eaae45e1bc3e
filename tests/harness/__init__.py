"""What the tests share: databases, sessions, normalised dumps, the catalog fingerprint, the account of skips."""

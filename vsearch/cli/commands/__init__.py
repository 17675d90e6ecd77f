"""One module a command: its options, one call of the library, its output."""

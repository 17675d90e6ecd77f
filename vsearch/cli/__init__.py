"""The command line. Importing it loads nothing heavy: commands reach the library from inside their bodies."""

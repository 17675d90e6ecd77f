"""From folders to a library: what is there (`scan`), what needs doing (`plan`), and doing it (`run`)."""

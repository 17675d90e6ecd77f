"""The database layer: `vsearch.db.store.Store` is its only door, `vsearch.db.records` what comes out of it."""

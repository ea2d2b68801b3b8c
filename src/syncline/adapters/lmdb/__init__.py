"""The store on disk: LMDB, one folder per store."""

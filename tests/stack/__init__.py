"""Real servers for tests, started without a container engine where there is none. One file a part.

`python -m tests.stack` (which is `make stack`) starts them all for a person.
"""

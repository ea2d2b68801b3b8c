"""Decisions: an ordered log of who decided what and why, folded by everyone into the same picture. Pure."""

"""From an ODCS document to a contract: the standard's rules, then ours, every problem at once."""

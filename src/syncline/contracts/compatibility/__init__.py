"""What differs between two contracts, and which number of the version that asks for."""

"""What a team keeps in a folder (contracts, bundles, subscriptions), and how it becomes decisions in the catalog."""

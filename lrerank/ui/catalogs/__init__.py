"""The page "Data": catalogs and user tables, what they hold, and how one's own get in."""

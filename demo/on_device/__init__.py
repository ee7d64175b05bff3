"""The On your device tab: the whole verification in the visitor's browser, nothing uploaded; and what it needs."""

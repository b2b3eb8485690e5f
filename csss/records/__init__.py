"""Patient records apart from accounts: make, find, match, merge them, and let their patients claim them."""

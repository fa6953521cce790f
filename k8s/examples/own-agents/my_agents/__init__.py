"""Two agents of one's own. They need no network and no key; a real one calls a model where these count."""

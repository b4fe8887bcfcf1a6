"""The local stack's own page: the page with the panel "Break it and see", and a pass-through to the API."""

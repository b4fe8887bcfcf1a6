"""The HTTP half: events become requests, requests are checked and routed, errors become problems; the page."""

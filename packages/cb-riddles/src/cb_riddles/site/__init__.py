"""A whole site around the app: settings, addresses, server."""

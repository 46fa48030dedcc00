"""What runs inside a peer's environment; imports nothing but the standard library and the peer."""

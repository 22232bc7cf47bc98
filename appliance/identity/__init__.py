"""Who asks: proxy Basic, address map, and the one interface for methods to come. No mitmproxy in here."""

"""Messages over AF_UNIX sockets with fixed verbs and peer credentials."""

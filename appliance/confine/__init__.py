"""What a process that reads hostile bytes gives up first: user, capabilities, memory, system calls."""

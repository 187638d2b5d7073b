"""How each system is used: its jobs, how they are dispatched, and the workers its manual asks for."""

"""python -m sfpn COMMAND: one thin module a command; options in, library call, printed result."""

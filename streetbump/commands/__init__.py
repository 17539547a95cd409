"""What the commands do: the library behind the command line, one module for each thing people do.

Every function is given its effects (store, clock, desks) and returns tables or plain records;
printing is left to the caller.
"""

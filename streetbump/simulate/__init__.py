"""Streets, defects, cars and phones with known truth.

A trip is made in the order of the physics: a road (:mod:`.street`), a car that rolls over it
(:mod:`.vehicle`) at a speed (:mod:`.drive`), a phone inside (:mod:`.phone`) with a satellite
receiver (:mod:`.gps`); :mod:`.trip` joins them and :mod:`.writers` makes the bytes of a logger.
Everything random is drawn from a generator that the caller hands in.
"""

"""The submit lane of the pipeline: from places to requests, one small committed step at a time.

Order of things for one request: the decision (``submit.plan``), the question whether the city
still takes such reports and has none open there, the intent (committed before the first byte),
``sending`` (committed before the connection), the POST, its receipt. Whoever finds a request in
``sending`` with nobody at it knows only that it may have been accepted: it becomes ``unknown``
and is looked up, never sent again.
"""

from streetbump.sending.desk import Desk, Sender, Step
from streetbump.sending.lane import READABLE, step
from streetbump.sending.planning import compose_planned, plan_now

__all__ = ["READABLE", "Desk", "Sender", "Step", "compose_planned", "plan_now", "step"]

"""Steps, routes and plans: types only, shared by the planner, the runtime and the evidence."""

from pipeline.plan.deadlines import Deadline
from pipeline.plan.plan import Candidate, Plan, TaskPlan
from pipeline.plan.routes import Route, RouteStep, Sites, route_name, span_of
from pipeline.plan.steps import Host, Move, Run, Step

__all__ = [
    "Candidate",
    "Deadline",
    "Host",
    "Move",
    "Plan",
    "Route",
    "RouteStep",
    "Run",
    "Sites",
    "Step",
    "TaskPlan",
    "route_name",
    "span_of",
]

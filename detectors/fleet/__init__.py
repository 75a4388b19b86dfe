"""Fleets of monitors that share one budget of false incidents: who is alarmed, who has recovered, who got worse."""

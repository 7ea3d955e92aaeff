"""How operators become a running system: plan, engines, lake, search, evaluation."""

"""python -m sfpn train STAGE: one thin module a stage (the paper's two share one)."""

"""Training: runs that stop and continue, the losses they minimise, and the crops they see.

Started by python -m sfpn train.
"""

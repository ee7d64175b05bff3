"""Photos to a decision: the verifier, the rule by which a score is judged, and the words for it."""

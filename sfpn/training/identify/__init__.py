"""The paper's two stages: learning to tell identities apart."""

"""The Verify tab: two sides of photos, their faces, score and decision; and the public endpoint."""

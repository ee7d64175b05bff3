"""Turns the head of a photo: "face profiling" with one generic head instead of a fitted face model.

After X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li, "Face Alignment Across Large Poses: A 3D Solution", CVPR 2016 (3DDFA).
"""

"""A picture and the faces in it: decoding, detection, pose, and the crop that a network gets."""

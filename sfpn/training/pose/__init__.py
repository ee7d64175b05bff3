"""The pose estimator (sfpn.photos.pose): a teacher on the base network's maps, and the small network it teaches."""

"""`setup`: everything a server needs is made, mended or moved over; doing it again changes nothing."""

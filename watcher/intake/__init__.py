"""From the queue, where any member may write anything, to records of root's own."""

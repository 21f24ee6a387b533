"""From what a pass found to the people who must know."""

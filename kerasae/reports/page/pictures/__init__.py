"""Images for the page: encoded small, kept once, and the places where they went most wrong."""

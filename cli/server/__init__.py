"""One model of the server: asked, never changed."""

"""Charts drawn on the server as SVG: no colour is named in them, the style sheet knows them by class."""

"""Charts as SVG marks, drawn from the numbers; colours come from the theme by class."""

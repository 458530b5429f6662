"""The page's pictures, as Altair charts; colours come from the theme, so that light and dark both
fit.
"""

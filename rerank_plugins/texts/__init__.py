"""What texts are made of: the header and the rest of a passage, and where its sentences end.

In: texts of any language. Out: places in them, as characters. Private to the package: users import
`Passage` from the root.
"""

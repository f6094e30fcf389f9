"""The differential test: the same requests to a server under test and to a reference, field by field.

`sequence.py` draws sequences of steps from a seed, `target.py` plays them against one server and
writes down what came back in a form that can be compared, `pair.py` plays both sides and says where
they part, `shrink.py` makes a sequence smaller that shows a difference. `__main__.py` is the command.
"""

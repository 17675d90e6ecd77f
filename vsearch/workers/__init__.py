"""Processes of this program that compute with models for it, so that nothing here waits for Python's interpreter lock
there: neither for PyTorch to be imported, nor for the thousands of small steps between frames and bytes.

`process.ModelProcess` starts one; `pairs` and `models` are what it is asked, on either side.
"""

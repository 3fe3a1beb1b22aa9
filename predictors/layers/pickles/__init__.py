"""PyTorch files of other people, read without running anything that they hold.

A file of ``torch.save`` is a pickle with raw tensors behind it, and a pickle is a small program. ``machine`` reads its
instructions one by one and keeps the books itself: nothing that a file names is ever looked up, imported or called.
``meanings`` says what a name stands for: tensors and plain values are made by functions of ours, anything else becomes
an inert :class:`~.standin.StandIn`, and names of the standard library that no weights need are refused. ``container``
reads the two layouts of the file, ``states`` finds the tensors by name in what came out.
"""

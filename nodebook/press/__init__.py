"""From notebook sources to a rendered book: run, reuse, stage, build.

The path of a notebook is ``chapters`` (find it) -> ``runner`` (execute it with papermill) ->
``reuse`` (or keep an execution that is still good) -> ``staging`` (lay the book out) -> ``book``
(render and publish it).
"""

"""What a chapter's notebook looks like to one who opens it: each rule names what breaks it."""

import ast
import re
from collections.abc import Callable, Iterator

from nbformat import NotebookNode

HIDING = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
MOST_LINES, MOST_COLUMNS, MOST_HIDDEN, MOST_IMPORTS = 40, 85, 200, 25
SHARED = {
    "mean",
    "measured",
    "recorded",
    "values",
    "spread",
    "sig",
    "significant",
    "listed",
    "shown",
}
"""Names that ``nodebook`` has: a page that defines one of them has its own."""
DIRECTIVE = re.compile(r"^[`:]{3,}\{(exercise|solution)(?:-start)?\}.*\n((?::.*\n)*)", re.MULTILINE)

Rule = Callable[[list[NotebookNode]], Iterator[str]]


def faults(cells: list[NotebookNode], *, behind: bool = False) -> list[str]:
    """What breaks the manners; a page behind a chapter needs neither knobs nor exercises."""
    rules: tuple[Rule, ...] = (title, imports, sizes, hiding, helpers, prose, parameters)
    if not behind:
        rules += (knobs, exercises)
    return [f"{rule.__name__}: {fault}" for rule in rules for fault in rule(cells)]


def title(cells: list[NotebookNode]) -> Iterator[str]:
    """The first thing is the title."""
    if cells[0].cell_type != "markdown" or not re.match(r"(\(.*\)=\n)?# ", cells[0].source):
        yield "the first cell is no title"


def imports(cells: list[NotebookNode]) -> Iterator[str]:
    """The first visible code is one short cell of imports, and no hidden cell imports."""
    visible = [cell for cell in _code(cells) if not _hidden(cell)]
    first = ast.parse(_python(visible[0])).body if visible else []
    if not first or not _imports(first[0]):
        yield "the first visible code cell does not import"
    elif len(visible[0].source.splitlines()) > MOST_IMPORTS:
        yield f"the cell of imports has more than {MOST_IMPORTS} lines"
    for number, cell in _numbered(cells):
        if _hidden(cell) and "setup" not in _tags(cell):
            tree = ast.parse(_python(cell))
            if any(map(_imports, ast.walk(tree))):
                yield f"hidden cell {number} imports"


def sizes(cells: list[NotebookNode]) -> Iterator[str]:
    """Code is neither long nor wide, and little of it is hidden."""
    for number, cell in _numbered(cells):
        lines = cell.source.splitlines()
        if len(lines) > MOST_LINES:
            yield f"cell {number} has {len(lines)} lines"
        if (columns := max(map(len, lines), default=0)) > MOST_COLUMNS:
            yield f"cell {number} is {columns} characters wide"
    if (total := hidden_lines(cells)) >= MOST_HIDDEN:
        yield f"{total} lines of code are hidden"


def hiding(cells: list[NotebookNode]) -> Iterator[str]:
    """What the book hides is folded in JupyterLab too, and nothing else."""
    for number, cell in _numbered(cells):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        if _hidden(cell) and not folded:
            yield f"hidden cell {number} is not source_hidden"
        if folded and not _hidden(cell):
            yield f"visible cell {number} is source_hidden"


def helpers(cells: list[NotebookNode]) -> Iterator[str]:
    """No function of the page's own for numbers as text, recorded runs or drawing."""
    for number, cell in _numbered(cells):
        for node in ast.walk(ast.parse(_python(cell))):
            if isinstance(node, ast.FunctionDef) and (node.name in SHARED or _draws(node)):
                yield f"cell {number} defines {node.name}"


def prose(cells: list[NotebookNode]) -> Iterator[str]:
    """No sentence is chosen by the code: where Markdown is made, no text depends on a condition.

    And none is lost: MyST takes a line that begins with ``%`` for a comment.
    """
    for number, cell in _numbered(cells):
        tree = ast.parse(_python(cell))
        if any(isinstance(n, ast.Name) and n.id == "Markdown" for n in ast.walk(tree)):
            for node in ast.walk(tree):
                if _chooses_text(node):
                    yield f"cell {number} chooses text in its line {node.lineno}"
            for count, line in enumerate(cell.source.splitlines(), 1):
                if line.startswith("%"):
                    yield f"cell {number} begins line {count} as a comment of MyST"


def parameters(cells: list[NotebookNode]) -> Iterator[str]:
    """papermill has one cell to put its parameters behind."""
    if sum("parameters" in _tags(cell) for cell in _code(cells)) != 1:
        yield "there is not one cell tagged parameters"


def knobs(cells: list[NotebookNode]) -> Iterator[str]:
    """Each visible cell of knobs assigns named constants, each with a comment; there is one."""
    found = [(n, c) for n, c in _numbered(cells) if "knobs" in _tags(c) and not _hidden(c)]
    if not found:
        yield "there is no visible cell tagged knobs"
    for number, cell in found:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if not all(re.match(r"#|[\w, ]+ = [^#]+#", line) for line in lines):
            yield f"cell {number}, of knobs, has a line without 'name = value  # comment'"


def exercises(cells: list[NotebookNode]) -> Iterator[str]:
    """At least two exercises, each with a solution that is folded."""
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = DIRECTIVE.findall(text)
    asked = sum(kind == "exercise" for kind, _ in found)
    solved = [options for kind, options in found if kind == "solution"]
    if asked < 2:
        yield f"there are {asked} exercises"
    if len(solved) != asked:
        yield f"{asked} exercises have {len(solved)} solutions"
    if not all(re.search(r"^:class:.*\bdropdown\b", options, re.MULTILINE) for options in solved):
        yield "a solution is not folded"


def hidden_lines(cells: list[NotebookNode]) -> int:
    """Lines of code that the page does not show, without the empty ones."""
    return sum(_length(cell) for cell in _code(cells) if _hidden(cell))


def visible_lines(cells: list[NotebookNode]) -> int:
    """Lines of code that the page shows, without the empty ones."""
    return sum(_length(cell) for cell in _code(cells) if not _hidden(cell))


def _length(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def _code(cells: list[NotebookNode]) -> list[NotebookNode]:
    return [cell for cell in cells if cell.cell_type == "code"]


def _numbered(cells: list[NotebookNode]) -> list[tuple[int, NotebookNode]]:
    return [(number, cell) for number, cell in enumerate(cells) if cell.cell_type == "code"]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _hidden(cell: NotebookNode) -> bool:
    return bool(HIDING & set(_tags(cell)))


def _python(cell: NotebookNode) -> str:
    """The cell without lines for IPython, which Python cannot read."""
    lines = cell.source.splitlines()
    return "\n".join("" if line.startswith(("%", "!")) else line for line in lines)


def _imports(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _draws(function: ast.FunctionDef) -> bool:
    arguments = {argument.arg for argument in function.args.args}
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return bool(arguments & {"ax", "axes", "figure"}) or "plt" in names


def _chooses_text(node: ast.AST) -> bool:
    if isinstance(node, ast.IfExp):
        return any(map(_is_text, (node.body, node.orelse)))
    if isinstance(node, ast.If):
        return any(
            _is_text(part)
            for kept in (node.body, node.orelse)
            for s in kept
            for part in ast.walk(s)
        )
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict | ast.Tuple | ast.List):
        return any(map(_is_text, ast.iter_child_nodes(node.value)))
    return False


def _is_text(node: ast.AST) -> bool:
    constant = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    return bool(constant) or isinstance(node, ast.JoinedStr)

"""One HTML file from the document and the files of page/: nothing in it is fetched from elsewhere.

Each file of page/ is a JavaScript module of its own. In the page each becomes a function that runs
once and returns what it exports, in the order of their imports; so names need not differ between
files, and no build step or module loader is needed.
"""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

PAGE = Path(__file__).parent / "page"
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|class) (\w+))", re.M)


def modules(entry="main", folder=PAGE):
    """{name: source} of a module and all it imports, what is imported first.

    Raises ValueError naming modules that import each other in a circle.
    """
    found, open_ = {}, []

    def visit(name):
        if name in found:
            return
        if name in open_:
            raise ValueError(f"modules in a circle: {' -> '.join([*open_, name])}")
        open_.append(name)
        source = (folder / f"{name}.js").read_text()
        for _, needed in IMPORT.findall(source):
            visit(needed)
        open_.pop()
        found[name] = source

    visit(entry)
    return found


def script(entry="main", folder=PAGE):
    """All modules as one script."""
    parts = []
    for name, source in modules(entry, folder).items():
        exported = ", ".join(EXPORT.findall(source))
        body = IMPORT.sub(lambda m: f"const {{{m[1]}}} = module_{m[2]};\n", source)
        body = EXPORT.sub("", body)
        if re.search(r"^(import|export)\b", body, re.M):
            raise ValueError(f"{name}.js: an import or export that `script` does not know")
        parts.append(f"const module_{name} = (() => {{\n{body}return {{ {exported} }};\n}})();\n")
    return "\n".join(parts)


def policy(code, style):
    """The page's Content-Security-Policy: this script, this style, pictures of its own making."""

    def digest(text):
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; script-src 'sha256-{digest(code)}'; "
        f"style-src 'sha256-{digest(style)}'; img-src blob: data:; base-uri 'none'; "
        "form-action 'none'"
    )


def embedded(document):
    """JSON in which no character can end the element that holds it."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def room(megabytes):
    """Bytes of a page of this size that are left for the document."""
    frame = len(script()) + sum(len(path.read_text()) for path in PAGE.glob("*.[ch]*"))
    return int(0.98 * megabytes * 1e6) - frame


def assemble(document):
    """The document (a dict, see schema.json) -> the page's HTML."""
    code, style = f"\n{script()}", f"\n{(PAGE / 'style.css').read_text()}"
    parts = {
        "policy": policy(code, style),
        "title": html.escape(f"{document['run']['experiment']} · nodal atlas"),
        "style": style,
        "document": embedded(document),
        "script": code,
    }
    template = (PAGE / "index.html").read_text()
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], template)

#!/usr/bin/env python3
"""The C++ in the documents, as programs.

A page names each of its blocks of C++ in a comment that readers do not see:

    <!-- snippet: first_program -->
    ```cpp
    ...
    ```

The program of the page, tests/documents/<page>.cpp, says with a line "// snippet: first_program"
where the block goes, and holds what the reader need not see: a server to talk to, and what must be
true after it. The preprocessor directives of a block go to the top of the program.

    documents.py program PAGE TEMPLATE OUTPUT   puts the blocks into the program
    documents.py check ROOT                     fails if there is a block that no program has, or a
                                                link within the documents that leads nowhere
"""
import pathlib
import re
import sys

FENCE = re.compile(r"^(?P<mark>```+|~~~+)\s*(?P<language>[^\s{`]*)")
NAME = re.compile(r"^<!-- snippet: (?P<name>\w+) -->$")
PLACE = re.compile(r"^\s*// snippet: (?P<name>\w+)$")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
CPP = {"cpp", "c++", "cc", "cxx", "hpp", "c"}


class Snippet:
    def __init__(self, name, line):
        self.name = name  # None if the page does not name it
        self.line = line  # of the page, where its code begins
        self.code = []


def read_page(page):
    """The blocks of C++ of a page, and its lines outside of any block."""
    snippets, prose = [], []
    fence, current, name = None, None, None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is not None:
            if line.startswith(fence) and not line.strip("`~ "):
                fence = current = None
            elif current is not None:
                current.code.append(line)
            continue
        opened = FENCE.match(line)
        if opened:
            fence = opened["mark"]
            if opened["language"].lower() in CPP:
                current = Snippet(name, number + 1)
                snippets.append(current)
        else:
            prose.append(line)
        named = NAME.match(line)
        name = named["name"] if named else None
    return snippets, prose


def placed(template):
    """The names of the snippets that a program has places for."""
    lines = template.read_text(encoding="utf-8").splitlines()
    return [found["name"] for found in map(PLACE.match, lines) if found]


def program(page, template, output):
    snippets = {each.name: each for each in read_page(page)[0]}
    top, body = [], []
    for number, line in enumerate(template.read_text(encoding="utf-8").splitlines(), 1):
        place = PLACE.match(line)
        if not place:
            body.append(line)
            continue
        snippet = snippets.get(place["name"])
        if snippet is None:
            sys.exit(f"{template}:{number}: {page.name} has no snippet {place['name']}")
        # A compiler is to tell of the page, where the mistake is.
        body.append(f'#line {snippet.line} "{page}"')
        for code in snippet.code:
            directive = code.startswith("#")
            if directive:
                top.append(code)
            body.append("" if directive else code)
        body.append(f'#line {number + 1} "{template}"')
    output.write_text("\n".join(top + [f'#line 1 "{template}"'] + body) + "\n", encoding="utf-8")


def anchors(prose):
    """What the headings of a page can be linked by."""
    headings = [line.lstrip("#").strip() for line in prose if re.match(r"#+ ", line)]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def check_links(root, page, prose):
    for target in LINK.findall("\n".join(prose)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or root not in [there, *there.parents]:
            yield f"{page.relative_to(root)}: {target} leads nowhere"
        elif anchor and there.suffix == ".md" and anchor not in anchors(read_page(there)[1]):
            yield f"{page.relative_to(root)}: {there.name} has no heading #{anchor}"


def check_page(root, page):
    where = page.relative_to(root)
    snippets, prose = read_page(page)
    yield from check_links(root, page, prose)
    template = root / "tests/documents" / f"{page.stem}.cpp"
    places = placed(template) if template.exists() else []
    names = [each.name for each in snippets]
    for each in snippets:
        if each.name is None:
            yield f"{where}:{each.line}: the snippet has no name, so no test has it"
        elif names.count(each.name) > 1:
            yield f"{where}:{each.line}: two snippets are called {each.name}"
        elif places.count(each.name) != 1:
            yield (f"{where}:{each.line}: snippet {each.name} has "
                   f"{places.count(each.name)} places in {template.relative_to(root)}, not one")
    for name in places:
        if name not in names:
            yield f"{template.relative_to(root)}: {where} has no snippet {name}"


def check(root):
    pages = [root / "README.md", *sorted((root / "docs").glob("**/*.md"))]
    complaints = [each for page in pages for each in check_page(root, page)]
    print("\n".join(complaints) or f"{len(pages)} pages are in order")
    return 1 if complaints else 0


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "program":
        program(*(pathlib.Path(each).resolve() for each in arguments[1:]))
        return 0
    if len(arguments) == 2 and arguments[0] == "check":
        return check(pathlib.Path(arguments[1]).resolve())
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

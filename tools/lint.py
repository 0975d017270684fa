#!/usr/bin/env python3
"""Flotilla's own linter: holds the rules that no compiler knows.

    tools/lint.py [ROOT]      exit 0 when clean, 1 with one `FILE:LINE: error: ...` per finding

Rules (each names the way out in its message; tools/lint_test.py proves that each one refuses):
  floor       an include climbs to, or crosses, a floor; a core reaches outside cores
  pure        a core touches the world: sockets, threads, files, locks, logs, clocks, randomness
  third-party a library is used outside the folder that wraps it
  unbuilt     a source that no CMakeLists.txt builds, a test that ctest does not run
  untested    a core .cpp that no test includes
  header      a header without its opening comment or its #pragma once
  size        a file or a function too long to read
  text        a TODO without an issue, a path of somebody's machine
  port        a port that two end-to-end scripts use: they run side by side

Python 3.11, standard library only, so it runs before anything is installed.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# The arrow table: floors, lowest first. A folder includes from its own folder and from the floors
# above it in this list; folders on one floor do not include each other.
FLOORS = [
    ["base"],
    ["json"],
    ["expr", "config"],
    ["net", "resilience"],
    ["http"],
    ["telemetry", "journal"],
    ["discovery"],
    ["call"],
    ["saga", "events", "cqrs", "strangler"],
    ["gateway"],
    ["sidecar"],
    ["admin"],
    ["app"],
]
# Tighter than the floors: a C++ service must be able to link `resilience` alone.
ONLY = {"resilience": ["base"]}
# Folders without a core/ of their own that every core may use. json and expr are cores as a whole.
BASE_LIKE = ["base", "json", "expr"]
PURE_FOLDERS = ["json", "expr"]
# A library is met in the folder that wraps it, so its types and exceptions stay there.
WRAPPED_BY = {
    "spdlog/": ["app"],
    "CLI/": ["app", "examples"],
    "yaml-cpp/": ["config"],
    "simdjson.h": ["json"],
    "ares": ["net"],
    "sqlite3.h": ["journal"],
    "hiredis/": ["cqrs"],
    "librdkafka/": ["journal"],
}

RETURN_EFFECT = "return the effect as a value and let the shell outside core/ do it"
TAKE_NOW = "take `Instant now` as an argument"
TAKE_RANDOM = "take a `flotilla::Random&` as an argument"
SHELLS_OF_BASE = {
    "flotilla/base/log.hpp": "return what happened; the shell logs it",
    "flotilla/base/shared_library.hpp": RETURN_EFFECT,
}
PURE_INCLUDES = [
    (r"(thread|stop_token|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier)", RETURN_EFFECT),
    (r"(fstream|iostream|filesystem|cstdio|stdio\.h)", "take the text as a string_view and return text"),
    (r"random", TAKE_RANDOM),
    (r"(ctime|time\.h)", TAKE_NOW),
    (r"coroutine", "write a state machine: coroutines belong to shells"),
    (r"((sys|netinet|arpa|net|linux)/.*|unistd\.h|fcntl\.h|netdb\.h|poll\.h|signal\.h|csignal|pthread\.h)", RETURN_EFFECT),
    (r"(spdlog|yaml-cpp|openssl|CLI|hiredis)/.*|ares.*|sqlite3\.h|librdkafka/.*", RETURN_EFFECT),
]
PURE_WORDS = [
    (r"\bnow\s*\(", TAKE_NOW),
    (r"\b(steady_clock|system_clock|high_resolution_clock|clock_gettime|gettimeofday)\b", TAKE_NOW),
    (r"\b(usleep|nanosleep|sleep|sleep_for|sleep_until)\b", "return the Instant at which to be called again"),
    (r"\bstd::(jthread|thread|async)\b", RETURN_EFFECT),
    (r"\bstd::(\w*mutex|lock_guard|unique_lock|scoped_lock|shared_lock|condition_variable\w*)\b",
     "a core is used by one thread, or shares one std::atomic word"),
    (r"\b(random_device|mt19937(_64)?)\b|\bs?rand\s*\(", TAKE_RANDOM),
    (r"\b[io]?fstream\b|\bfopen\s*\(|\bstd::filesystem\b", "take the text as a string_view and return text"),
    (r"\bsocket\s*\(", RETURN_EFFECT),
    (r"\b(secure_)?getenv\b", "take the value as an argument: `config` expands the environment"),
    (r"\blog::", "return what happened; the shell logs it"),
    (r"\bstd::(cout|cerr|clog)\b|\bf?printf\s*\(|\bfmt::print\b", "return what happened; the shell prints it"),
    (r"\bco_(await|return|yield)\b", "write a state machine: coroutines belong to shells"),
]

SOURCE_ROOTS = ["flotilla", "examples", "tests", "bench", "cmake"]
CPP = {".cpp", ".cc", ".hpp", ".h"}
TEXT = CPP | {".py", ".md", ".txt", ".cmake", ".sh", ".yaml", ".yml", ".json", ".ts", ".service", ""}
SKIPPED = {"build", ".git", "node_modules", ".venv", "__pycache__", ".cache", "corpus"}
WARN_LINES, MAX_LINES, MAX_FUNCTION_LINES = 500, 800, 100
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
MACHINE_PATH = re.compile(r"(?<![\w./-])/(tmp/wt|work/(main|shared)|root|home/\w+)/")
PORT = re.compile(r"(?<![\w.])2[1-3]\d{3}(?![\w.])")  # those that end-to-end scripts take
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')

SCOPE_HEAD = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
FUNCTION_HEAD = re.compile(r"\)\s*((const|noexcept|override|final)\s*)*(->[^;]*)?$")

RANK = {folder: rank for rank, floor in enumerate(FLOORS) for folder in floor}


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str
    fatal: bool = True

    def __str__(self):
        kind = "error" if self.fatal else "warning"
        return f"{self.path}:{self.line}: {kind}: {self.message} [{self.rule}]"


# One alternative per thing whose inside is not code. Raw strings come first, and a quote inside a
# number (1'000) is consumed with the number so that it opens no character literal.
NOT_CODE = re.compile(
    r'R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"'
    r"|//(?:\\\n|[^\n])*|/\*.*?\*/"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|\b\d(?:'?[\w.])*"
    r"|'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)


def blank(text, strings):
    """The same text, same lines, with comments (and the inside of strings) turned into spaces."""

    def replace(match):
        found = match.group(0)
        if found[0].isdigit() or (found[0] != "/" and not strings):
            return found
        return re.sub(r"[^\n]", " ", found)

    return NOT_CODE.sub(replace, text)


def folder_of(path):
    """flotilla/http/core/head.hpp -> http; None outside the house."""
    parts = PurePosixPath(path).parts
    return parts[1] if len(parts) > 2 and parts[0] == "flotilla" else None


def in_core(path):
    return "core" in PurePosixPath(path).parts[2:-1]


def is_test(path):
    return PurePosixPath(path).stem.endswith(("_test", "_fuzz")) or path.startswith("tests/")


def is_pure(path):
    folder = folder_of(path)
    return folder is not None and not is_test(path) and (in_core(path) or folder in PURE_FOLDERS)


def below(folder):
    """The folders that `folder` may include, lowest first, without itself."""
    if folder in ONLY:
        return ONLY[folder]
    return [name for floor in FLOORS[: RANK[folder]] for name in floor]


def check_floor(path, line, included):
    folder, target = folder_of(path), folder_of(included)
    if folder is None or target is None:
        return
    for name in (folder, target):
        if name not in RANK:
            yield Finding(path, line, "floor", f"flotilla/{name} stands on no floor: add it to FLOORS in tools/lint.py")
            return
    if target != folder and target not in below(folder):
        same = target in FLOORS[RANK[folder]]
        why = "stands on the same floor as" if same else "is above" if RANK[target] > RANK[folder] else "is closed to"
        yield Finding(path, line, "floor", f'"{included}": {target} {why} {folder}; {folder} may include '
                      f"{', '.join([folder, *below(folder)])}. Declare a port here and let `app` wire it")
    elif in_core(path) and not is_test(path) and not in_core(included) and target not in BASE_LIKE:
        yield Finding(path, line, "floor", f'"{included}": a core includes only its own core/, the core/ of lower '
                      f"folders, and {', '.join(BASE_LIKE)}; move what it needs into {target}/core/")


def check_includes(path, text):
    for number, line in enumerate(blank(text, strings=False).splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = match.group(1)
        yield from check_floor(path, number, included)
        place = folder_of(path) or path.split("/")[0]
        for prefix, wrappers in WRAPPED_BY.items():
            if included.startswith(prefix) and place not in wrappers and not is_test(path):
                yield Finding(path, number, "third-party", f"<{included}> belongs to {' and '.join(wrappers)}: use "
                              f"what flotilla/{wrappers[0]} offers, or widen it")
        if is_pure(path):
            if included in SHELLS_OF_BASE:
                yield Finding(path, number, "pure", f"<{included}> in a core: {SHELLS_OF_BASE[included]}")
            for pattern, way_out in PURE_INCLUDES:
                if re.fullmatch(pattern, included):
                    yield Finding(path, number, "pure", f"<{included}> in a core: {way_out}")


def check_words(path, text):
    if not is_pure(path):
        return
    for number, line in enumerate(blank(text, strings=True).splitlines(), 1):
        for pattern, way_out in PURE_WORDS:
            match = re.search(pattern, line)
            if match and not INCLUDE.match(line):
                yield Finding(path, number, "pure", f"`{match.group(0).strip()}` in a core: {way_out}")


def check_header(path, text):
    if not path.endswith((".hpp", ".h")):
        return
    if not text.lstrip().startswith(("//", "/*")):
        yield Finding(path, 1, "header", "a header begins with a comment: what it is for, who owns what, "
                      "which thread, which limits")
    if not re.search(r"^#pragma once$", text, re.MULTILINE):
        yield Finding(path, 1, "header", "add #pragma once below the opening comment")


def functions(text):
    """(first line, lines) of every outermost function body, found by its braces."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), blank(text, strings=True),
                  flags=re.MULTILINE)
    scopes, head_start, line = [], 0, 1  # scopes: the first line of a function, or None for any other block
    for at, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == "{":
            head = code[head_start:at]
            is_body = FUNCTION_HEAD.search(head) or (")" in head and not SCOPE_HEAD.search(head))
            inside = any(scope is not None for scope in scopes)
            scopes.append(line if is_body and not inside else None)
            head_start = at + 1
        elif char == "}":
            first = scopes.pop() if scopes else None
            if first is not None:
                yield first, line - first + 1
            head_start = at + 1
        elif char == ";":
            head_start = at + 1


def check_size(path, text):
    lines = text.count("\n")
    if lines > MAX_LINES:
        yield Finding(path, MAX_LINES + 1, "size", f"{lines} lines; the limit is {MAX_LINES}: split by what changes together")
    elif lines > WARN_LINES:
        yield Finding(path, WARN_LINES + 1, "size", f"{lines} lines; over {WARN_LINES} a file is hard to hold in mind", fatal=False)
    if not is_test(path):
        for first, length in functions(text):
            if length > MAX_FUNCTION_LINES:
                yield Finding(path, first, "size", f"a function of {length} lines; the limit is {MAX_FUNCTION_LINES}: name its parts")


def check_text(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if TODO.search(line) and not path.startswith("tools/lint"):
            yield Finding(path, number, "text", "write the issue, as in TODO(#12), or do it now")
        if MACHINE_PATH.search(line):
            yield Finding(path, number, "text", "the path of one machine: make it relative, or an argument")


def check_ports(texts):
    owners = {}
    for path in sorted(path for path in texts if path.startswith("tests/e2e/") and path.endswith(".py")):
        for number, line in enumerate(texts[path].splitlines(), 1):
            for port in PORT.findall(line):
                owner = owners.setdefault(port, path)
                if owner != path:
                    yield Finding(path, number, "port", f"{port} is a port of {owner}, which may run at the same time: take one "
                                  "of your own, or import its name")


def cmake_calls(text):
    """(command, [arguments]) of every call; comments dropped, quotes taken off."""
    text = re.sub(r"#[^\n]*", "", text)
    for match in re.finditer(r"(\w+)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)", text):
        yield match.group(1).lower(), [a.strip('"') for a in re.findall(r'"[^"]*"|[^\s"]+', match.group(2))]


def built_files(root):
    """What the build reaches from the root CMakeLists.txt: (all files named, those named as tests)."""
    named, tests, todo, seen = set(), set(), ["CMakeLists.txt"], set()
    while todo:
        lists = todo.pop()
        if lists in seen or not (root / lists).is_file():
            continue
        seen.add(lists)
        here = "" if lists.startswith("cmake/") else str(PurePosixPath(lists).parent)
        for command, arguments in cmake_calls((root / lists).read_text()):
            section = None
            for argument in arguments:
                if argument.isupper() and "." not in argument:
                    section = argument
                argument = argument.replace("${CMAKE_CURRENT_SOURCE_DIR}/", "")
                from_root = argument.startswith("${CMAKE_SOURCE_DIR}/")
                path = argument.removeprefix("${CMAKE_SOURCE_DIR}/")
                path = os.path.normpath(path if from_root else os.path.join(here, path))
                if command == "add_subdirectory":
                    todo.append(f"{path}/CMakeLists.txt")
                elif command == "include" and path.endswith(".cmake"):
                    todo.append(path)
                else:
                    named.add(path)
                    if section == "TESTS" or command in ("flotilla_tests", "flotilla_e2e_test", "add_test"):
                        tests.add(path)
    return named, tests


def check_build(root, files):
    named, tests = built_files(root)
    for path in files:
        stem, suffix = PurePosixPath(path).stem, PurePosixPath(path).suffix
        is_source = suffix in {".cpp", ".cc"} and path.split("/")[0] in SOURCE_ROOTS
        if not is_source and not (suffix == ".py" and stem.endswith("_test")):
            continue
        where = f"{PurePosixPath(path).parent}/CMakeLists.txt (or the nearest one above, reached from the root by add_subdirectory)"
        if path not in named:
            yield Finding(path, 1, "unbuilt", f"nothing builds or runs this file: name it in {where}")
        elif stem.endswith("_test") and path not in tests:
            yield Finding(path, 1, "unbuilt", f"ctest does not run this test: name it under TESTS or flotilla_tests in {where}")


def house_includes(text):
    matches = (INCLUDE.match(line) for line in blank(text, strings=False).splitlines())
    return [m.group(1) for m in matches if m and m.group(1).startswith("flotilla/")]


def check_tested(texts):
    """A core .cpp is tested by the test beside it, or by one that reaches it: the test includes its header,
    or a header of the same folder whose code uses it. The header of a .cpp is the one it includes first."""
    includes = {path: house_includes(text) for path, text in texts.items() if PurePosixPath(path).suffix in CPP}
    code_of = {}  # header -> the files that declare and define it
    for path, headers in includes.items():
        own = headers[0] if path.endswith(".cpp") and headers else path
        code_of.setdefault(own, []).append(path)
    todo = [h for path, headers in includes.items() if is_test(path) for h in headers]
    reached = set(todo)
    while todo:
        header = todo.pop()
        for path in [header, *code_of.get(header, [])]:
            new = {h for h in includes.get(path, []) if folder_of(h) == folder_of(header) and not is_test(path)} - reached
            reached |= new
            todo += new
    for path in texts:
        if path.endswith(".cpp") and is_pure(path):
            beside = path.removesuffix(".cpp") + "_test.cpp"
            own = (includes[path] or [path.removesuffix(".cpp") + ".hpp"])[0]
            if beside not in texts and own not in reached:
                yield Finding(path, 1, "untested", f"a core without a test: write {beside}, or reach {own} from the test that covers it")


def tree_files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED)
        for name in sorted(set(names) - SKIPPED):
            path = Path(folder, name)
            if path.suffix in TEXT and not path.is_symlink():
                yield path.relative_to(root).as_posix()


def lint(root):
    """Every finding in the tree below `root`."""
    root = Path(root)
    texts = {}
    for path in tree_files(root):
        try:
            texts[path] = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text: a corpus file, an image
    findings = []
    for path, text in texts.items():
        findings += check_text(path, text)
        if PurePosixPath(path).suffix in CPP and path.split("/")[0] in SOURCE_ROOTS:
            for check in (check_includes, check_words, check_header, check_size):
                findings += check(path, text)
    findings += check_build(root, list(texts))
    findings += check_tested(texts)
    findings += check_ports(texts)
    return findings


def main(arguments):
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__, file=sys.stderr)
        return 2
    root = arguments[0] if arguments else Path(__file__).resolve().parent.parent
    findings = lint(root)
    for finding in findings:
        print(finding)
    errors = sum(finding.fatal for finding in findings)
    print(f"lint: {errors} errors, {len(findings) - errors} warnings", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Proves that every rule of tools/lint.py refuses what it must and accepts what it may.

Each test writes a small tree and reads the findings; ctest runs it (tests/CMakeLists.txt).
"""

import tempfile
import unittest
from pathlib import Path

import lint

PARSER_TEST = '#include "flotilla/http/core/parser.hpp"\n'
HEADER = "// For: tests.\n#pragma once\n"
# The smallest tree without findings: one core, its test, and the lists that build them.
CLEAN = {
    "CMakeLists.txt": "add_subdirectory(flotilla/http)\n",
    "flotilla/http/CMakeLists.txt": "flotilla_library(http\n  SOURCES core/parser.cpp  # the codec\n"
                                    "  TESTS core/parser_test.cpp\n  DEPENDS flotilla::net)\n",
    "flotilla/http/core/parser.hpp": HEADER,
    "flotilla/http/core/parser.cpp": '#include "flotilla/http/core/parser.hpp"\n',
    "flotilla/http/core/parser_test.cpp": PARSER_TEST,
}


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            file = Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return lint.lint(root)


class LintTest(unittest.TestCase):
    def accepts(self, changes):
        self.assertEqual([str(f) for f in findings(CLEAN | changes)], [])

    def refuses(self, changes, rule, path, line, *words):
        found = [f for f in findings(CLEAN | changes) if f.fatal]
        self.assertEqual([(f.rule, f.path, f.line) for f in found], [(rule, path, line)], [str(f) for f in found])
        for word in words:
            self.assertIn(word, str(found[0]))

    def in_core(self, code):
        return {"flotilla/http/core/parser.hpp": HEADER + code + "\n"}

    def in_shell(self, code):
        return {"flotilla/http/server.hpp": HEADER + code + "\n"}

    def test_accepts_the_clean_tree(self):
        self.accepts({})


class Floors(LintTest):
    def refuses_include(self, folder, included, *words):
        path = f"flotilla/{folder}/some.hpp"
        self.refuses({path: HEADER + f'#include "{included}"\n'}, "floor", path, 3, *words)

    def test_accepts_a_lower_floor(self):
        self.accepts(self.in_shell('#include "flotilla/net/loop.hpp"\n#include "flotilla/base/error.hpp"'))

    def test_refuses_climbing(self):
        self.refuses_include("http", "flotilla/gateway/routes.hpp", "gateway is above http", "base, json, expr, config, net, resilience")

    def test_refuses_a_neighbour(self):
        self.refuses_include("saga", "flotilla/events/topic.hpp", "same floor")
        self.refuses_include("net", "flotilla/resilience/core/retry.hpp", "same floor")

    def test_resilience_stands_on_base_alone(self):
        self.refuses_include("resilience", "flotilla/json/value.hpp", "resilience may include resilience, base.")

    def test_refuses_a_folder_without_a_floor(self):
        self.refuses_include("misc", "flotilla/base/error.hpp", "flotilla/misc stands on no floor")

    def test_tests_obey_floors_too(self):
        path = "flotilla/http/core/parser_test.cpp"
        self.refuses({path: PARSER_TEST + '#include "flotilla/app/main.hpp"\n'}, "floor", path, 2)

    def test_a_core_reaches_only_cores_and_base_like_folders(self):
        self.accepts(self.in_core('#include "flotilla/resilience/core/retry.hpp"\n#include "flotilla/json/value.hpp"'))
        path = "flotilla/http/core/parser.hpp"
        self.refuses(self.in_core('#include "flotilla/net/loop.hpp"'), "floor", path, 3, "net/core/")
        self.refuses(self.in_core('#include "flotilla/http/server.hpp"'), "floor", path, 3, "http/core/")

    def test_ignores_includes_in_comments(self):
        self.accepts(self.in_core('// #include "flotilla/app/main.hpp"\n/*\n#include "flotilla/app/main.hpp"\n*/'))


class Purity(LintTest):
    def refuses_in_core(self, code, *words):
        self.refuses(self.in_core(code), "pure", "flotilla/http/core/parser.hpp", 3, *words)

    def test_refuses_clocks(self):
        self.refuses_in_core("auto t = Clock::now();", "`now(`", "Instant now")
        self.refuses_in_core("using C = std::chrono::steady_clock;", "Instant now")

    def test_refuses_sockets(self):
        self.refuses_in_core("int fd = socket(AF_INET, SOCK_STREAM, 0);", "socket(")
        self.refuses_in_core("#include <sys/socket.h>", "shell")
        self.refuses_in_core("#include <netinet/in.h>")
        self.refuses_in_core("#include <unistd.h>")

    def test_refuses_threads_and_locks(self):
        for code in ("std::thread t;", "std::mutex m;", "std::scoped_lock l(m);", "#include <thread>",
                     "#include <mutex>", "#include <future>", "sleep(1);", "f().sleep_for(1s);"):
            with self.subTest(code):
                self.refuses_in_core(code)

    def test_refuses_randomness(self):
        for code in ("std::random_device d;", "int x = rand();", "#include <random>"):
            with self.subTest(code):
                self.refuses_in_core(code, "Random&")

    def test_refuses_files_environment_and_output(self):
        for code in ("#include <fstream>", "#include <iostream>", "#include <filesystem>", "std::ifstream in;",
                     'auto v = getenv("HOME");', 'std::cout << "x";'):
            with self.subTest(code):
                self.refuses_in_core(code)

    def test_refuses_logging_and_other_peoples_shells(self):
        self.refuses_in_core('log::info("x");', "shell logs it")
        self.refuses_in_core('#include "flotilla/base/log.hpp"', "shell logs it")
        self.refuses_in_core('#include "flotilla/base/shared_library.hpp"', "return the effect")

    def test_refuses_coroutines(self):
        self.refuses_in_core("co_return;", "state machine")

    def test_json_and_expr_are_cores_as_a_whole(self):
        path = "flotilla/expr/eval.hpp"
        self.refuses({path: HEADER + "auto t = now();\n"}, "pure", path, 3)

    def test_ignores_comments_and_strings(self):
        self.accepts(self.in_core('// never calls now()\n/* std::mutex\n std::thread */\nauto s = "rand()";\n'
                                  'auto r = R"x(sleep( ")x";\nauto c = \'"\'; int n = 1\'000; /* now() */'))

    def test_accepts_the_argument_and_words_that_only_contain_a_banned_one(self):
        self.accepts(self.in_core("void tick(Instant now); int known(int); int operand(int); int randomly(int);\n"
                                  "std::atomic<int> word;"))

    def test_shells_and_tests_may_touch_the_world(self):
        self.accepts(self.in_shell("#include <sys/socket.h>\nauto t = now(); std::mutex m;"))
        self.accepts({"flotilla/http/core/parser_test.cpp": PARSER_TEST + "#include <fstream>\nstd::ifstream in;\n"})


class ThirdParty(LintTest):
    def test_refuses_a_library_outside_its_wrapper(self):
        self.refuses(self.in_shell("#include <yaml-cpp/yaml.h>"), "third-party", "flotilla/http/server.hpp", 3, "config")

    def test_accepts_it_inside(self):
        self.accepts({"flotilla/config/yaml.hpp": HEADER + "#include <yaml-cpp/yaml.h>\n"})


class Build(LintTest):
    def test_refuses_a_source_that_nothing_builds(self):
        self.refuses({"flotilla/http/server.cpp": ""}, "unbuilt", "flotilla/http/server.cpp", 1, "flotilla/http/CMakeLists.txt")

    def test_refuses_a_source_named_only_in_a_comment(self):
        lists = CLEAN["flotilla/http/CMakeLists.txt"]
        self.refuses({"flotilla/http/server.cpp": "", "flotilla/http/CMakeLists.txt": lists + "# server.cpp\n"},
                     "unbuilt", "flotilla/http/server.cpp", 1)

    def test_refuses_a_list_that_the_root_does_not_reach(self):
        self.refuses({"bench/CMakeLists.txt": "add_executable(b b.cpp)\n", "bench/b.cpp": ""}, "unbuilt", "bench/b.cpp", 1)

    def test_refuses_a_test_that_ctest_does_not_run(self):
        lists = "flotilla_library(http SOURCES core/parser.cpp server_test.cpp TESTS core/parser_test.cpp)\n"
        self.refuses({"flotilla/http/CMakeLists.txt": lists, "flotilla/http/server_test.cpp": ""},
                     "unbuilt", "flotilla/http/server_test.cpp", 1, "ctest does not run")

    def test_refuses_a_python_test_that_ctest_does_not_run(self):
        self.refuses({"tests/e2e/up_test.py": ""}, "unbuilt", "tests/e2e/up_test.py", 1)

    def test_accepts_paths_from_the_root_and_programs_of_tests(self):
        self.accepts({"CMakeLists.txt": "add_subdirectory(flotilla/http)\nadd_subdirectory(tests)\ninclude(cmake/x.cmake)\n",
                      "cmake/x.cmake": "add_library(pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cpp)\n", "cmake/pch.cpp": "",
                      "tests/CMakeLists.txt": "flotilla_tests(e2e SOURCES e2e/a_test.cpp DEPENDS flotilla::app)\n"
                                              "add_test(NAME up COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/e2e/up_test.py)\n",
                      "tests/e2e/a_test.cpp": "", "tests/e2e/up_test.py": ""})

    def test_refuses_a_core_without_a_test(self):
        lists = "flotilla_library(http SOURCES core/parser.cpp core/scan.cpp TESTS core/parser_test.cpp)\n"
        changes = {"flotilla/http/CMakeLists.txt": lists, "flotilla/http/core/scan.cpp": "", "flotilla/http/core/scan.hpp": HEADER}
        self.refuses(changes, "untested", "flotilla/http/core/scan.cpp", 1, "scan_test.cpp")
        includes_scan = '#include "flotilla/http/core/scan.hpp"\n'
        self.accepts(changes | {"flotilla/http/core/parser_test.cpp": PARSER_TEST + includes_scan})
        self.accepts(changes | {"flotilla/http/core/parser.hpp": HEADER + includes_scan})
        self.accepts(changes | {"flotilla/http/core/parser.cpp": CLEAN["flotilla/http/core/parser.cpp"] + includes_scan})


class Shape(LintTest):
    def test_refuses_a_header_without_comment_or_pragma(self):
        path = "flotilla/http/server.hpp"
        self.refuses({path: "#pragma once\n"}, "header", path, 1, "begins with a comment")
        self.refuses({path: "// For: tests.\n"}, "header", path, 1, "#pragma once")

    def test_warns_of_a_long_file_and_refuses_a_longer_one(self):
        path = "flotilla/http/server.hpp"
        warned = findings(CLEAN | {path: HEADER + "\n" * 600})
        self.assertEqual([(f.rule, f.fatal) for f in warned], [("size", False)])
        self.refuses({path: HEADER + "\n" * 900}, "size", path, 801, "902 lines")

    def test_refuses_a_long_function_but_not_a_long_class(self):
        path, body = "flotilla/http/server.hpp", "  x();\n" * 120
        self.refuses({path: HEADER + "namespace a {\ntemplate <class T>\nint f(T x) noexcept {\n" + body + "}\n}\n"}, "size", path, 5, "122 lines")
        self.accepts({path: HEADER + "class A final : B {\n" + "  void f() { x(); }\n" * 120 + "};\n"})

    def test_refuses_a_todo_without_an_issue(self):
        path = "flotilla/http/server.hpp"
        self.refuses(self.in_shell("// TODO: later"), "text", path, 3, "TODO(#12)")
        self.accepts(self.in_shell("// TODO(#7): later"))

    def test_refuses_paths_of_one_machine(self):
        self.refuses({"docs/a.md": "see /ro" "ot/notes/x\n"}, "text", "docs/a.md", 1, "relative")
        self.accepts({"docs/a.md": "GET /work/orders and /var/log/app.log\n"})


class Ports(LintTest):
    def test_refuses_a_port_of_another_script(self):
        path = "tests/e2e/views.py"
        topics = {"tests/e2e/topics.py": "API = 22620\n"}
        self.refuses(topics | {path: "import sys\nAPI, ADMIN = 22621, 22620\n"}, "port", path, 2, "22620", "tests/e2e/topics.py")
        self.accepts(topics | {path: "API, ADMIN = 22621, 22622\nFIRST = 22621\n", "docs/a.md": "port 22620\n"})


class TheTree(unittest.TestCase):
    def test_every_folder_of_the_house_has_a_floor(self):
        house = Path(__file__).resolve().parent.parent / "flotilla"
        folders = {p.name for p in house.iterdir() if p.is_dir()}
        self.assertEqual(folders - set(lint.RANK), set())


if __name__ == "__main__":
    unittest.main()

#include "flotilla/expr/program_generator.hpp"

#include <fmt/format.h>

namespace flotilla::expr {

std::string ProgramGenerator::input(int depth) {
  constexpr std::string_view scalars[] = {"null",      "true",      "false", "0",       "1",      "2",
                                          "-3",        "1.5",       "0.25",  "\"abc\"", "\"ab\"", "\"12\"",
                                          "\"a,b,c\"", "\"Hello\"", "\"\"",  "7"};
  constexpr std::string_view keys[] = {"a", "b", "n", "s", "list", "key", "value"};
  if (depth == kInputDepth && random_.below(4) != 0) {  // mostly what the programs' paths expect
    return fmt::format(R"({{"a":{},"b":{},"n":{},"s":{},"list":[{},{},{}],"key":"k"}})", input(1), input(2),
                       one_of({"0", "3", "-2", "1.5"}), one_of({"\"a\"", "\"b,c\"", "\"Hello\""}), input(1),
                       input(1), input(0));
  }
  if (depth == 0 || random_.below(5) == 0) {
    return std::string(one_of(scalars));
  }
  const bool array = random_.below(2) == 0;
  std::string text = array ? "[" : "{";
  for (auto n = random_.below(5); n > 0; --n) {
    text += array ? "" : fmt::format("\"{}\":", one_of(keys));
    text += input(depth - 1) + (n > 1 ? "," : "");
  }
  return text + (array ? "]" : "}");
}

std::string ProgramGenerator::program(int depth) {
  variables_ = 0;
  return random_.below(10) == 0 ? chain() : expression(depth);
}

std::string ProgramGenerator::path() {
  constexpr std::string_view steps[] = {
      ".a",      ".b",       ".n",     ".s",    ".list", ".a.b",          ".[0]",   ".[-1]",
      ".list[]", ".[]",      ".a?",    ".[]?",  ".[1:]", ".[:2]",         ".[-2:]", ".[0:1]?",
      ".\"a\"",  ".[\"b\"]", ".a[0]?", ".b.n?", ".key",  ".[\"a\",\"b\"]"};
  return std::string(one_of(steps));
}

std::string ProgramGenerator::term() {
  constexpr std::string_view literals[] = {
      "0",       "1",    "2",  "3",  "1.5",     "0.5",   "null",        "true",  "false", "\"a\"",
      "\"b,c\"", "\"\"", "[]", "{}", "[1,2,3]", "{a:1}", "{\"b\":[1]}", "(1,2)", "empty", "-2"};
  switch (random_.below(4)) {
    case 0:
      return std::string(one_of(literals));
    case 1:
      return variables_ > 0 ? fmt::format("$v{}", random_.below(static_cast<std::uint64_t>(variables_)))
                            : ".";
    case 2:
      return ".";
    default:
      return path();
  }
}

std::string ProgramGenerator::expression(int depth) {
  if (depth <= 0) {
    return term();
  }
  switch (random_.below(8)) {
    case 0:
    case 1:
      return operation(depth - 1);
    case 2:
    case 3:
      return function(depth - 1);
    case 4:
      return structure(depth - 1);
    case 5:
      return binding(depth - 1);
    case 6:
      return deletion(depth - 1);
    default:
      return fmt::format("({} | {})", expression(depth - 1), expression(depth - 1));
  }
}

std::string ProgramGenerator::operation(int depth) {
  constexpr std::string_view operators[] = {"+",  "-", "*",  "%",   "==", "!=", "<",
                                            "<=", ">", ">=", "and", "or", ","};
  switch (random_.below(5)) {
    case 0:
      return fmt::format("({} / {})", expression(depth), one_of({"2", "4", "\",\"", "\"a\""}));
    case 1:
      return fmt::format("(-{})", path());
    case 2:
      return fmt::format("({} // {})", expression(depth), expression(depth));
    default:
      return fmt::format("({} {} {})", expression(depth), one_of(operators), expression(depth));
  }
}

std::string ProgramGenerator::function(int depth) {
  constexpr std::string_view plain[] = {
      "length", "keys",     "add",     "any",    "all",     "to_entries", "from_entries", "ascii_downcase",
      "tojson", "tostring", "@base64", "@uri",   "flatten", "first",      "last",         "floor",
      "not",    "type",     "sort",    "unique", "min",     "max",        "error"};
  constexpr std::string_view by[] = {"map",    "select", "sort_by", "group_by", "unique_by",
                                     "min_by", "max_by", "first",   "last"};
  constexpr std::string_view of_text[] = {"split",    "join",     "startswith", "endswith",
                                          "ltrimstr", "rtrimstr", "index"};
  constexpr std::string_view texts[] = {"\"a\"", "\",\"", "\"b\"", "\"lo\"", "\"12\""};
  constexpr std::string_view others[] = {"has(\"a\")",
                                         "has(0)",
                                         "has(\"b\",\"n\")",
                                         "flatten(1)",
                                         "flatten(0)",
                                         "range(3)",
                                         "range(1;4)",
                                         "range(0;7;3)",
                                         "range(4;0;-2)",
                                         "range(0,1;2,3)",
                                         "test(\"^a\")",
                                         "test(\"B|l+\";\"i\")",
                                         "(\"12\",\"3.5\"|tonumber)",
                                         "(\"[1,{\\\"a\\\":2}]\"|fromjson)",
                                         "with_entries(select(.value != null))",
                                         "with_entries({key:(.key+\"x\"),value:.value})",
                                         "if type == \"object\" or . == null then 0 else index([1]) end",
                                         "if type == \"object\" or . == null then 0 else index(1) end",
                                         "error(\"e\")",
                                         "error({a:1})"};
  const std::string input = random_.below(2) == 0 ? path() : term();
  switch (random_.below(6)) {
    case 0: {
      const std::string_view name = one_of(plain);
      // error of null ends a program of jq 1.6 without a word.
      return name == "error" ? fmt::format("({} | if . == null then 0 else error end)", input)
                             : fmt::format("({} | {})", input, name);
    }
    case 1:
      return fmt::format("({} | {}({}))", input, one_of(by), expression(depth));
    case 2:
      return fmt::format("({} | if type == \"object\" or . == null then 0 else {}({}) end)", input,
                         one_of(of_text), one_of(texts));
    case 3:
      return fmt::format("({} | {})", input, one_of(others));
    case 4:
      return random_.below(2) == 0
                 ? fmt::format("{}([{}][]; [{}] == [true])", one_of({"any", "all"}), expression(depth),
                               expression(depth))
                 : fmt::format("({} | {}([{}] != []))", input, one_of({"any", "all"}), expression(depth));
    default:
      return fmt::format("limit({}; {})", one_of({"1", "2", "3"}), expression(depth));
  }
}

std::string ProgramGenerator::structure(int depth) {
  switch (random_.below(6)) {
    case 0:
      return fmt::format("[{}, {}]", expression(depth), expression(depth));
    case 1:
      return fmt::format("{{a: ({}), b, \"n\": ({})}}", expression(depth), expression(depth));
    case 2:
      return fmt::format("{{({}): ({})}}", one_of({".s", ".a", ".key", "\"k\",\"l\""}), expression(depth));
    case 3:
      return fmt::format("\"x\\({})-\\({})\"", expression(depth), expression(depth));
    case 4:
      return fmt::format("[try ({}) catch \"caught\"]", expression(depth));
    default:
      return fmt::format("(if {} then {} else {} end)", expression(depth), expression(depth),
                         expression(depth));
  }
}

std::string ProgramGenerator::binding(int depth) {
  const std::string source = expression(depth);
  const int fresh = variables_++;
  std::string text;
  switch (random_.below(4)) {
    case 0:
      text = fmt::format("({} as [$v{}] | {})", source, fresh, expression(depth));
      break;
    case 1:
      text = fmt::format("({} as {{a: $v{}}} | {})", source, fresh, expression(depth));
      break;
    case 2:
      text = fmt::format("(({}) as $v{} | {})", source, fresh, expression(depth));
      break;
    default:
      text = fmt::format("(reduce ({}) as $v{} ({}; {}))", source, fresh,
                         one_of({"0", "null", "[]", "{}", "\"\""}),
                         random_.below(2) == 0 ? fmt::format(". + $v{}", fresh) : expression(depth));
  }
  --variables_;
  return text;
}

std::string ProgramGenerator::deletion(int depth) {
  constexpr std::string_view paths[] = {".a",         ".b.n",  ".[0]",  ".[-1]",        ".list[0]",
                                        ".[0,2]",     ".a,.b", ".[1:]", ".[0:1],.[2]",  ".[]?",
                                        ".list[]?.a", ".a.b?", ".b[]?", "first(.a,.b)", ".n // .a"};
  return random_.below(3) == 0 ? fmt::format("({} | del(.[] | select({})))", path(), expression(depth))
                               : fmt::format("({} | del({}))", term(), one_of(paths));
}

// Operators without parentheses, to test how they bind. At most one comparison, since those do not chain.
std::string ProgramGenerator::chain() {
  constexpr std::string_view operators[] = {"+", "-", "*", "//", "and", "or", ",", "|", "%"};
  std::string text = term();
  const auto length = 3 + random_.below(5);
  const auto compared = random_.below(length);
  for (std::uint64_t i = 0; i < length; ++i) {
    text +=
        fmt::format(" {} {}", i == compared ? one_of({"==", "<", ">=", "!="}) : one_of(operators), term());
  }
  return text;
}

}  // namespace flotilla::expr

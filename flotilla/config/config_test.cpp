#include <gtest/gtest.h>

#include "flotilla/config/spec.hpp"

namespace flotilla::config {
namespace {

using namespace std::chrono_literals;

struct Sample {
  Duration timeout = 5s;
  std::uint64_t body = 0;
  double budget = 0;
  std::uint32_t attempts = 2;
  std::string mode = "fast";
  std::vector<std::string> names;
};

const Spec<Sample>& spec() {
  static const Spec<Sample> made = [] {
    Spec<Sample> s("a sample");
    s.field("timeout", duration(1ms, 1h), &Sample::timeout, "how long");
    s.field("body", size(1, 1 << 30), &Sample::body, "how much");
    s.field("budget", share(), &Sample::budget, "which part");
    s.field("attempts", integer(1, 10), &Sample::attempts, "how often");
    s.field("mode", one_of({"fast", "slow"}), &Sample::mode, "how");
    s.field("names", list_of(text()), &Sample::names, "whose");
    s.later("sagas");
    return s;
  }();
  return made;
}

Sources sources() {
  return {.environment = [](const std::string& name) -> std::optional<std::string> {
            return name == "LIMIT" ? std::optional<std::string>("64KiB") : std::nullopt;
          },
          .file = [](const std::string& path) -> std::optional<std::string> {
            return path == "/run/secret" ? std::optional<std::string>("s3cret\n") : std::nullopt;
          }};
}

std::string read(std::string_view yaml, Sample& sample) {
  Problems problems;
  if (const auto node = parse_document(yaml, sources(), problems)) {
    spec().read(*node, sample, problems);
  }
  std::string all;
  for (const std::string& line : problems.lines("f")) {
    all += line + "\n";
  }
  return all;
}

TEST(Config, ReadsEveryKind) {
  Sample sample;
  EXPECT_EQ(read("timeout: 250ms\nbody: ${LIMIT}\nbudget: 12.5%\nattempts: 3\nmode: slow\nnames: [a, "
                 "'${file:/run/secret}']\n",
                 sample),
            "");
  EXPECT_EQ(sample.timeout, 250ms);
  EXPECT_EQ(sample.body, 65'536U);
  EXPECT_DOUBLE_EQ(sample.budget, 0.125);
  EXPECT_EQ(sample.attempts, 3U);
  EXPECT_EQ(sample.mode, "slow");
  EXPECT_EQ(sample.names, (std::vector<std::string>{"a", "s3cret"}));
}

// Each document and the problems it must give, with line and column.
TEST(Config, PointsAtEveryFault) {
  const struct {
    std::string_view yaml;
    std::string_view problems;
  } cases[] = {
      {"timeout: 5\n",
       "f:1:10: must be a duration: a whole number with its unit, such as 250ms, 5s, 10m, 1h or 7d\n"},
      {"timeout: 2h\n", "f:1:10: must be a duration, 1ms to 1h\n"},
      {"a: 1\ntimeuot: 5s\n",
       "f:1:1: unknown key 'a' (a sample)\nf:2:1: unknown key 'timeuot'; did you mean 'timeout'?\n"},
      {"mode: fast\nmode: slow\n", "f:2:1: 'mode' stands twice; first at line 1\n"},
      {"sagas: {}\n", "f:1:1: 'sagas' is not in this build yet\n"},
      {"attempts: 11\n", "f:1:11: must be a whole number, 1 to 10\n"},
      {"attempts: [1]\n", "f:1:11: must be a whole number, 1 to 10\n"},
      {"mode: quick\n", "f:1:7: must be one of fast, slow\n"},
      {"body: ${MISSING}\n",
       "f:1:7: the environment variable MISSING is not set; write ${MISSING:-DEFAULT} if it may be "
       "missing\n"},
      {"body: ${LIMIT\n", "f:1:7: '${' without '}'; write $${ for the characters themselves\n"},
      {"mode: ${file:/no}\n", "f:1:7: cannot read the file '/no'\n"},
      {"names: [a, [b]]\n", "f:1:12: must be text\n"},
      {"- a\n", "f:1:1: must be a mapping (a sample)\n"},
      {"a: &x 1\nb: 2\n", "f:1:4: anchors (&name) are not supported: write it out where it is needed\n"},
      {"names: [a, &x [b]]\n",
       "f:1:12: anchors (&name) are not supported: write it out where it is needed\n"},
      {"mode: !!binary aGk=\n", "f:1:7: tags (!name) are not supported: quote a value to make it text\n"},
      {"mode: fast\n---\nmode: slow\n", "f:3:1: a second document begins here; the file holds one\n"},
      {"[a]: 1\n", "f:1:1: a key must be plain text\n"},
  };
  for (const auto& [yaml, problems] : cases) {
    Sample sample;
    EXPECT_EQ(read(yaml, sample), problems) << yaml;
  }
}

TEST(Config, SaysWhereYamlItselfIsBroken) {
  Sample sample;
  const std::string problems = read("a: [1\nb: 2\n", sample);
  EXPECT_TRUE(problems.starts_with("f:2:")) << problems;
}

// What stands behind a bound is refused where it begins, without building it.
std::string parse_only(std::string_view yaml) {
  Problems problems;
  EXPECT_FALSE(parse_document(yaml, sources(), problems).has_value());
  std::string all;
  for (const std::string& line : problems.lines("f")) {
    all += line + "\n";
  }
  return all;
}

TEST(Config, RefusesAliasesWhereverTheyStand) {
  for (const std::string_view yaml : {"b: [*a, *a]\n", "{b: *a}\n", "- *a\n", "? *a\n: 1\n"}) {
    const std::string problems = parse_only(yaml);
    EXPECT_TRUE(problems.starts_with("f:1:")) << yaml << problems;
  }
  // Each line would be ten of the one before.
  EXPECT_TRUE(
      parse_only("a: &a [1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n").starts_with("f:1:4: "));
}

TEST(Config, TakesTextThatLooksLikeAnAlias) {
  Sample sample;
  EXPECT_EQ(read("names: ['x: *y', \"- *z\", 'a&b', '!t']\n", sample), "");
  EXPECT_EQ(sample.names, (std::vector<std::string>{"x: *y", "- *z", "a&b", "!t"}));
}

TEST(Config, BoundsDepth) {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  Problems problems;
  EXPECT_TRUE(parse_document(nested(kMostDepth), sources(), problems).has_value());
  EXPECT_EQ(parse_only(nested(kMostDepth + 1)), "f:1:33: nested deeper than 32 levels\n");
  EXPECT_EQ(parse_only(nested(1000)), "f:1:33: nested deeper than 32 levels\n");
}

TEST(Config, BoundsTheNumberOfNodes) {
  std::string list = "[";
  for (std::size_t i = 1; i < kMostNodes; ++i) {
    list += "1,";
  }
  Problems problems;
  EXPECT_TRUE(parse_document(list + "]", sources(), problems).has_value());  // the list itself counts
  EXPECT_EQ(parse_only(list + "1]"), fmt::format("f:1:{}: more than {} keys and values\n", 1, kMostNodes));
}

TEST(Config, BoundsWhatExpansionsBringIn) {
  const Sources large{.environment = [](const std::string&) { return std::string(1 << 20, 'x'); },
                      .file = [](const std::string&) { return std::nullopt; }};
  Problems problems;
  EXPECT_TRUE(parse_document("['${A}${A}', '${A}', '${A}']", large, problems).has_value());
  EXPECT_FALSE(parse_document("['${A}${A}', '${A}', '${A}',\n '${A}']", large, problems).has_value());
  EXPECT_EQ(problems.lines("f"),
            std::vector<std::string>{"f:2:2: the values of all ${...} together are larger than 4 MiB"});
}

TEST(Config, RefusesOtherEncodings) {
  EXPECT_EQ(parse_only(std::string_view("a\0:\0 \0b\0", 8)), "f:1:1: the file is not UTF-8\n");
  EXPECT_EQ(parse_only("\xFF\xFE\xFF"), "f:1:1: the file is not UTF-8\n");
}

TEST(Config, NeverRepeatsASecret) {
  Sample sample;
  EXPECT_EQ(read("timeout: ${file:/run/secret}\n", sample).find("s3cret"), std::string::npos);
}

TEST(Config, DefaultsAndEscapes) {
  Sample sample;
  EXPECT_EQ(read("names: ['${NOPE:-x}', '$${LIMIT}', 'a$b']\n", sample), "");
  EXPECT_EQ(sample.names, (std::vector<std::string>{"x", "${LIMIT}", "a$b"}));
}

TEST(Config, KeepsJsonValuesAsWritten) {
  Problems problems;
  const auto node = parse_document("{a: 1.10, b: '1', c: [true, null, x], d: 007}", sources(), problems);
  ASSERT_TRUE(node.has_value());
  EXPECT_EQ(to_json(*node), R"({"a":1.10,"b":"1","c":[true,null,"x"],"d":"007"})");
}

TEST(Config, AnswersForItsOwnProblemsOnly) {
  Problems problems;
  problems.add({7, 7}, "of someone else");
  const auto good = parse_document("mode: slow\n", sources(), problems);
  const auto bad = parse_document("mode: quick\n", sources(), problems);
  ASSERT_TRUE(good && bad);
  Sample sample;
  EXPECT_TRUE(spec().read(*good, sample, problems));
  EXPECT_FALSE(spec().read(*bad, sample, problems));
  EXPECT_EQ(spec().kind().read(*good, problems)->mode, "slow");
  EXPECT_FALSE(spec().kind().read(*bad, problems).has_value());
  EXPECT_EQ(problems.lines("f").size(), 3U);
}

TEST(Config, KnowsHostsAndPorts) {
  for (const std::string_view text : {"127.0.0.1:80", "[::1]:80", "[::ffff:1.2.3.4]:0", "db.example:5432",
                                      "db-1_a:1", "1a:1", "localhost.:65535"}) {
    EXPECT_TRUE(parse_host_port(text).has_value()) << text;
  }
  for (const std::string_view text :
       {"[anything]:80", "10.0.0.256:80", "10.0.0:80", "7:80", "::1:80", "[127.0.0.1]:80", "[::1:80", "[::1]",
        ":80", "a:", "a", "a:65536", "a:-1", "a b:80", ".a:80", "-a:80", "a..b:80", "a/b:80", "u@h:80"}) {
    EXPECT_FALSE(parse_host_port(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_host_port(std::string(254, 'a') + ":80").has_value());
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
}

TEST(Config, ListensOnAddressesOnly) {
  Problems problems;
  Node node;
  node.kind = Node::Kind::scalar;
  for (const std::string_view text : {"0.0.0.0:80", "[::]:80"}) {
    node.text = text;
    EXPECT_EQ(listen_address().read(node, problems), std::string(text));
  }
  for (const std::string_view text : {"[anything]:80", "10.0.0.256:80", "localhost:80"}) {
    node.text = text;
    EXPECT_EQ(listen_address().read(node, problems), std::nullopt) << text;
  }
}

TEST(Config, DescribesItselfAsATable) {
  struct Outer {
    Sample sample;
  };
  Spec<Sample> inner("a sample");
  inner.field("timeout", duration(1ms, 90s), &Sample::timeout, "how long", "5s");
  inner.field("body", size(0, 1536), &Sample::body, "how much").later("sagas").required("body");
  Spec<Outer> outer("outer");
  outer.field("sample", inner.kind(), &Outer::sample, "the sample");
  EXPECT_EQ(outer.reference(),
            "| `sample` | a mapping (a sample) |  | the sample |\n"
            "| `sample.timeout` | a duration, 1ms to 90s | 5s | how long |\n"
            "| `sample.body` | a size, 0B to 1536B | required | how much |\n"
            "| `sample.sagas` | | | not in this build yet |\n");
}

TEST(Config, ListsRequiredKeysInItsSchema) {
  Spec<Sample> s("a sample");
  s.field("mode", text(), &Sample::mode, "how").field("names", list_of(text()), &Sample::names, "whose");
  s.required("mode").required("names");
  EXPECT_EQ(s.schema(),
            R"({"type":"object","additionalProperties":false,"properties":{"mode":{"type":"string"},)"
            R"("names":{"type":"array","items":{"type":"string"}}},"required":["mode","names"]})");
}

TEST(Config, DescribesItselfAsJsonSchema) {
  EXPECT_NE(spec().schema().find(R"("attempts":{"type":"integer","minimum":1,"maximum":10})"),
            std::string::npos);
  EXPECT_EQ(spec().schema().find("sagas"), std::string::npos);
}

}  // namespace
}  // namespace flotilla::config

// Against the oracle: random programs over random inputs must give what jq gives.
//
// FLOTILLA_JQ_SEED (default 1) and FLOTILLA_JQ_BATCHES (default 40; 40 programs each) choose what is tried.
// Programs go to jq in batches of one process, since each process costs it some 22 ms.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/expr/program_generator.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {
namespace {

constexpr std::size_t kPrograms = 40;
constexpr std::size_t kInputs = 12;

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    return output;
  }
  char buffer[65536];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    output.append(buffer, n);
  }
  pclose(pipe);
  return output;
}

// One line per input: an array with, for each program, its outputs or the string "error".
std::vector<json::Value> ask_jq(const std::vector<std::string>& programs,
                                const std::vector<std::string>& inputs) {
  const std::string folder = ::testing::TempDir();
  std::ofstream program(folder + "flotilla_jq_program");
  program << "[";
  for (std::size_t i = 0; i < programs.size(); ++i) {
    program << (i > 0 ? ",\n" : "") << "(try [" << programs[i] << "] catch \"error\")";
  }
  program << "]";
  program.close();
  std::ofstream lines(folder + "flotilla_jq_input");
  for (const std::string& input : inputs) {
    lines << input << "\n";
  }
  lines.close();
  const std::string out =
      run(fmt::format("jq -c -f {0}flotilla_jq_program {0}flotilla_jq_input 2>&1", folder));
  std::vector<json::Value> answers;
  for (std::size_t start = 0; start < out.size();) {
    const std::size_t end = std::min(out.find('\n', start), out.size());
    const auto answer = json::parse(out.substr(start, end - start), {.depth = 1000});
    if (!answer) {
      ADD_FAILURE() << "jq says: " << out.substr(start, 2000);
      return {};
    }
    answers.push_back(*answer);
    start = end + 1;
  }
  return answers;
}

json::Value ask_us(const std::string& program, const std::string& input) {
  const auto compiled = compile(program);
  if (!compiled) {
    ADD_FAILURE() << program << "\n" << compiled.error().to_error().message;
    return {};
  }
  const auto outputs =
      evaluate(*compiled, *json::parse(input), {}, {.steps = 10'000'000, .output = 64U << 20});
  if (!outputs) {
    return "error";
  }
  json::Value all = json::Value::array();
  for (const json::Value& v : *outputs) {
    all.push_back(v);
  }
  return all;
}

// jq has a negative zero, we do not: its text may show in strings.
bool shows_negative_zero(const std::string& text) {
  for (std::size_t at = text.find("-0"); at != std::string::npos; at = text.find("-0", at + 1)) {
    const char after = at + 2 < text.size() ? text[at + 2] : ' ';
    if (after != '.' && (after < '0' || after > '9')) {
      return true;
    }
  }
  return false;
}

TEST(JqDifferential, GivesWhatJqGives) {
  if (run("jq --version") != "jq-1.6\n") {
    std::cout << "\n!!!! SKIPPED: jq 1.6 is not installed; nothing was compared with it !!!!\n\n";
    GTEST_SKIP();
  }
  const std::uint64_t seed = from_environment("FLOTILLA_JQ_SEED", 1);
  const std::uint64_t batches = from_environment("FLOTILLA_JQ_BATCHES", 40);
  std::cout << "seed " << seed << ", " << batches << " batches\n";
  ProgramGenerator generator(seed);
  std::size_t compared = 0;
  std::size_t errors = 0;
  for (std::uint64_t batch = 0; batch < batches; ++batch) {
    std::vector<std::string> programs;
    std::vector<std::string> inputs;
    for (std::size_t i = 0; i < kPrograms; ++i) {
      programs.push_back(generator.program(1 + static_cast<int>(i % 4)));
    }
    for (std::size_t i = 0; i < kInputs; ++i) {
      inputs.push_back(generator.input());
    }
    const auto answers = ask_jq(programs, inputs);
    ASSERT_EQ(answers.size(), inputs.size()) << "batch " << batch;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      for (std::size_t p = 0; p < programs.size(); ++p) {
        const json::Value& theirs = answers[i][p];
        if (shows_negative_zero(json::write(theirs))) {
          continue;
        }
        const json::Value ours = ask_us(programs[p], inputs[i]);
        ++compared;
        errors += theirs.is_string() ? 1 : 0;
        EXPECT_TRUE(ours == theirs) << "ours: " << json::write(ours) << "\njq:   " << json::write(theirs)
                                    << "\n"
                                    << programs[p] << "\n"
                                    << inputs[i];
      }
    }
    ASSERT_FALSE(HasFatalFailure());
    if (HasNonfatalFailure()) {
      break;
    }
  }
  std::cout << compared << " compared, " << errors << " of them errors in both\n";
  EXPECT_GT(compared, batches * kPrograms * kInputs * 9 / 10);
  EXPECT_LT(errors, compared * 3 / 4);  // the programs are not all nonsense
}

}  // namespace
}  // namespace flotilla::expr

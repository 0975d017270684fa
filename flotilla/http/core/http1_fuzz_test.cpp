// Replays tests/fuzz/corpus/http_*/ through the fuzz targets, and a seeded random walk around it.
#include "flotilla/http/core/http1_fuzz.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::http::fuzz {
namespace {

using Target = void (*)(std::span<const std::byte>);

std::vector<std::string> corpus(const std::string& name) {
  std::vector<std::string> inputs;
  const std::string folder = std::string{FLOTILLA_SOURCE_DIR} + "/tests/fuzz/corpus/" + name;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{});
  }
  std::ranges::sort(inputs);
  return inputs;
}

// Every input as it is, then many times with a few bytes changed, inserted or removed.
void replay(const std::string& name, Target target) {
  const std::vector<std::string> inputs = corpus(name);
  ASSERT_GE(inputs.size(), 10U);
  const std::uint64_t seed = 1;
  SCOPED_TRACE(seed);
  Random random{seed};
  constexpr std::string_view kTelling = "\r\n\0 \t:;,%/.?#0a\x7f\xff";
  for (const std::string& input : inputs) {
    target(std::as_bytes(std::span{input}));
    for (int round = 0; round < 100; ++round) {
      std::string changed = input;
      for (std::uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
        const std::size_t at = random.below(changed.size() + 1);
        const char byte = kTelling[random.below(kTelling.size())];
        switch (random.below(3)) {
          case 0:
            changed.insert(at, 1, byte);
            break;
          case 1:
            changed.erase(at, 1);
            break;
          default:
            changed.replace(at, 1, 1, byte);
            break;
        }
      }
      target(std::as_bytes(std::span{changed}));
    }
  }
}

TEST(Fuzz, Request) { replay("http_request", request); }
TEST(Fuzz, Response) { replay("http_response", response); }
TEST(Fuzz, Chunked) { replay("http_chunked", chunked); }
TEST(Fuzz, Uri) { replay("http_uri", uri); }

}  // namespace
}  // namespace flotilla::http::fuzz

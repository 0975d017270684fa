// Stands in for libFuzzer in ordinary builds: gives every file below the named folder to the fuzzer,
// and every beginning of it, since a parser meets most of its edges in the middle of an input.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  // Beginnings of long inputs say little that those of short ones do not, and cost their square.
  constexpr std::size_t kLongestCut = 512;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
    if (!entry.is_regular_file()) {
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> text((std::istreambuf_iterator<char>(file)), {});
    const std::vector<std::uint8_t> input(text.begin(), text.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
    for (std::size_t size = 0; size < input.size() && size <= kLongestCut; ++size) {
      // A copy of exactly that size, so that a sanitizer sees a read past its end.
      const std::vector<std::uint8_t> beginning(input.begin(),
                                                input.begin() + static_cast<std::ptrdiff_t>(size));
      LLVMFuzzerTestOneInput(beginning.data(), beginning.size());
    }
    ++files;
  }
  std::printf("%zu inputs of %s\n", files, argv[1]);
  return files == 0 ? 1 : 0;  // an empty corpus tests nothing
}

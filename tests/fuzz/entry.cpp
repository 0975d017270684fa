// The one libFuzzer entry: each fuzzer compiles it with its own FUZZ_HEADER and FUZZ_FUNCTION.
#include <cstddef>
#include <cstdint>
#include <span>

#include FUZZ_HEADER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FUZZ_FUNCTION(std::as_bytes(std::span<const std::uint8_t>(data, size)));
  return 0;
}

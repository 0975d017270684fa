#include "flotilla/saga/core/saga_key.hpp"

#include <bit>

namespace flotilla::saga {
namespace {

constexpr std::string_view kPrefix = "sg1-";
constexpr std::string_view kBase36 = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kBase32 = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::array<char, kOps> kOpLetters{'a', 'c', 'q'};
constexpr std::size_t kMacLength = 13;  // 64 bits
constexpr std::size_t kIdLength = 26;

std::string mac_text(std::uint64_t mac) {
  std::string out(kMacLength, '0');
  for (std::size_t i = kMacLength; i-- > 0; mac >>= 5) {
    out[i] = kBase32[mac & 31];
  }
  return out;
}

void sip_round(std::array<std::uint64_t, 4>& v) noexcept {
  v[0] += v[1];
  v[1] = std::rotl(v[1], 13) ^ v[0];
  v[0] = std::rotl(v[0], 32);
  v[2] += v[3];
  v[3] = std::rotl(v[3], 16) ^ v[2];
  v[0] += v[3];
  v[3] = std::rotl(v[3], 21) ^ v[0];
  v[2] += v[1];
  v[1] = std::rotl(v[1], 17) ^ v[2];
  v[2] = std::rotl(v[2], 32);
}

}  // namespace

std::uint64_t siphash(const KeyMaterial& material, std::string_view bytes) noexcept {
  const auto [k0, k1] = material.words;
  std::array<std::uint64_t, 4> v{k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL,
                                 k0 ^ 0x6c7967656e657261ULL, k1 ^ 0x7465646279746573ULL};
  const auto absorb = [&v](std::uint64_t word) {
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
  };
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * (i % 8));
    if (i % 8 == 7) {
      absorb(word);
      word = 0;
    }
  }
  absorb(word | static_cast<std::uint64_t>(bytes.size()) << 56);
  v[2] ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    sip_round(v);
  }
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}

std::string make_key(const KeyMaterial& material, const Operation& operation) {
  std::string key(kPrefix);
  key += operation.saga.text();
  key += '-';
  if (operation.step >= kBase36.size()) {
    key += kBase36[operation.step / kBase36.size()];
  }
  key += kBase36[operation.step % kBase36.size()];
  key += '-';
  key += kOpLetters[static_cast<std::size_t>(operation.op)];
  const std::uint64_t mac = siphash(material, key);
  key += '-';
  key += mac_text(mac);
  return key;
}

std::optional<Operation> read_key(const KeyMaterial& material, std::string_view key) {
  constexpr std::size_t kStepAt = kPrefix.size() + kIdLength + 1;
  // -S-o-MAC or -SS-o-MAC after the id.
  if (!key.starts_with(kPrefix) || key.size() < kStepAt + 4 + kMacLength ||
      key.size() > kStepAt + 5 + kMacLength) {
    return std::nullopt;
  }
  const auto id = SagaId::parse(key.substr(kPrefix.size(), kIdLength));
  const std::string_view step_text = key.substr(kStepAt, key.size() - kStepAt - 3 - kMacLength);
  std::size_t step = 0;
  for (const char c : step_text) {
    const std::size_t digit = kBase36.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    step = step * kBase36.size() + digit;
  }
  const char letter = key[kStepAt + step_text.size() + 1];
  for (std::size_t op = 0; op < kOps; ++op) {
    if (kOpLetters[op] == letter && id && step <= UINT8_MAX) {
      const Operation operation{
          .saga = *id, .step = static_cast<std::uint8_t>(step), .op = static_cast<Op>(op)};
      const std::string expected = make_key(material, operation);
      unsigned difference = expected.size() == key.size() ? 0 : 1;
      for (std::size_t i = 0; i < expected.size() && i < key.size(); ++i) {
        difference |= static_cast<unsigned char>(expected[i] ^ key[i]);
      }
      return difference == 0 ? std::optional(operation) : std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace flotilla::saga

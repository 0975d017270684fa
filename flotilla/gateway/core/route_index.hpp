// The trie of path segments, laid out for the cache: all children of all nodes stand in one open-addressing
// table keyed by (parent, segment), so a step down costs one probe and one node, however many routes there
// are.
//
// For: the router only. Nodes are made while building; afterwards the index is immutable and shared by
// threads. Layout: a slot is 8 bytes (32 bits of the hash, the node), a node one cache line that holds its
// own text when that is short, because it is compared on every step (equal hashes do not prove equal text).
// Hash: 64x64 -> 128 bit multiply and fold (the scheme of wyhash, Wang Yi 2019). Its quality need not resist
// an attacker: requests look up, they do not insert. Limits: 2^31 nodes.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/random.hpp"

namespace flotilla::gateway {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = std::numeric_limits<NodeId>::max();

// A range of a table of candidates.
struct CandidateRange {
  std::uint32_t begin = 0;
  std::uint32_t count = 0;
};

struct alignas(64) RouteNode {
  static constexpr std::size_t kInlineText = 33;
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  NodeId parent = kNoNode;
  NodeId parameter = kNoNode;     // the child for {name}
  CandidateRange end;             // routes whose pattern ends here
  CandidateRange rest;            // routes whose pattern is `/**` from here
  std::uint32_t regexes = kNone;  // the group of regex routes hung here
  std::uint16_t text_size = 0;
  bool plain = true;            // no {name}, regex or `/**` here: a failed step down needs no way back
  char text[kInlineText] = {};  // when longer: the offset in the pool, 4 bytes
};
static_assert(sizeof(RouteNode) == 64);

class RouteIndex {
 public:
  // A node without parent.
  [[nodiscard]] NodeId add_root();
  // The child of `parent` for the literal `text`, made when it is new.
  [[nodiscard]] NodeId add_child(NodeId parent, std::string_view text);
  [[nodiscard]] NodeId add_parameter(NodeId parent);

  [[nodiscard]] RouteNode& node(NodeId id) noexcept { return nodes_[id]; }
  [[nodiscard]] const RouteNode& node(NodeId id) const noexcept { return nodes_[id]; }

  // The child for `text`, or kNoNode.
  [[nodiscard]] NodeId find(NodeId parent, std::string_view text) const noexcept {
    const std::uint64_t hash = hash_of(parent, text);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot slot = slots_[i];
      if (slot.node == kNoNode) {
        return kNoNode;
      }
      if (slot.tag == tag && is(nodes_[slot.node], parent, text)) {
        return slot.node;
      }
    }
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    NodeId node = kNoNode;
  };

  template <class Word>
  [[nodiscard]] static std::uint64_t load(const char* from) noexcept {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
  }
  [[nodiscard]] static std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    const Uint128 product = static_cast<Uint128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  [[nodiscard]] static std::uint64_t hash_of(NodeId parent, std::string_view text) noexcept {
    constexpr std::uint64_t kOdd1 = 0xa0761d6478bd642fULL;
    constexpr std::uint64_t kOdd2 = 0xe7037ed1a0b428dbULL;
    const char* p = text.data();
    std::size_t n = text.size();
    std::uint64_t seed = fold(parent ^ kOdd1, n ^ kOdd2);
    for (; n > 16; n -= 16, p += 16) {
      seed = fold(load<std::uint64_t>(p) ^ kOdd1, load<std::uint64_t>(p + 8) ^ seed);
    }
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    if (n >= 8) {
      a = load<std::uint64_t>(p);
      b = load<std::uint64_t>(p + n - 8);
    } else if (n >= 4) {
      a = load<std::uint32_t>(p);
      b = load<std::uint32_t>(p + n - 4);
    } else if (n > 0) {
      a = load<std::uint8_t>(p) << 16 | load<std::uint8_t>(p + n / 2) << 8 | load<std::uint8_t>(p + n - 1);
    }
    return fold(a ^ kOdd2, b ^ seed);
  }
  [[nodiscard]] bool is(const RouteNode& node, NodeId parent, std::string_view text) const noexcept {
    if (node.parent != parent || node.text_size != text.size()) {
      return false;
    }
    const char* stored =
        text.size() <= RouteNode::kInlineText ? node.text : pool_.data() + load<std::uint32_t>(node.text);
    return std::memcmp(stored, text.data(), text.size()) == 0;
  }
  void grow();
  void insert(NodeId id, std::uint64_t hash) noexcept;

  std::vector<RouteNode> nodes_;
  std::vector<Slot> slots_ = std::vector<Slot>(16);
  std::size_t mask_ = 15;
  std::size_t used_ = 0;
  std::string pool_;
};

}  // namespace flotilla::gateway

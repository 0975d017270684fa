// The trie of path segments, laid out for the cache.
//
// For: the router only. Nodes are made while building; after freeze() the index is immutable and shared by
// threads, and a step down costs the same however many routes there are:
//   - a subtree stands together, and few children side by side, so that a walk reads few, near lines;
//   - a node with few children finds them by one byte of each that it holds itself; one with many through an
//     open-addressing table keyed by (parent, segment), whose slots are 8 bytes (32 bits of the hash, the
//     node);
//   - a node is one cache line and holds its own text when that is short, because it is compared on every
//   step
//     (equal hashes do not prove equal text).
// Hash: 64x64 -> 128 bit multiply and fold (the scheme of wyhash, Wang Yi 2019). Its quality need not resist
// an attacker: requests look up, they do not insert. Limits: 2^31 nodes.
#pragma once

#include <array>
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
  static constexpr std::size_t kInlineText = 24;
  static constexpr std::size_t kFewChildren = 4;
  static constexpr std::uint8_t kMany = kFewChildren + 1;
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  NodeId parent = kNoNode;
  NodeId parameter = kNoNode;     // the child for {name}
  CandidateRange end;             // routes whose pattern ends here
  CandidateRange rest;            // routes whose pattern is `/**` from here
  std::uint32_t regexes = kNone;  // the group of regex routes hung here
  NodeId first_child = kNoNode;   // of the literal children, which are adjacent
  std::array<std::uint8_t, kFewChildren> marks{};
  std::uint16_t text_size = 0;
  std::uint8_t children = kMany;  // literal ones; kMany: look in the table
  bool plain = true;              // no {name}, regex or `/**` here: a failed step down needs no way back
  char text[kInlineText] = {};    // when longer: the offset in the pool, 4 bytes
};
static_assert(sizeof(RouteNode) == 64);

class RouteIndex {
 public:
  // A node without parent; before any other node.
  [[nodiscard]] NodeId add_root();
  // The child of `parent` for the literal `text`, made when it is new.
  [[nodiscard]] NodeId add_child(NodeId parent, std::string_view text);
  [[nodiscard]] NodeId add_parameter(NodeId parent);

  [[nodiscard]] RouteNode& node(NodeId id) noexcept { return nodes_[id]; }
  [[nodiscard]] const RouteNode& node(NodeId id) const noexcept { return nodes_[id]; }

  // Lays the nodes out for lookups; nothing may be added afterwards. Roots keep their ids; of the others, the
  // result gives the new id for each old one.
  [[nodiscard]] std::vector<NodeId> freeze();

  // The child for `text`, or kNoNode.
  [[nodiscard]] NodeId find(NodeId parent, std::string_view text) const noexcept {
    const RouteNode& above = nodes_[parent];
    if (above.children == RouteNode::kMany) {
      return find_in_table(parent, text);
    }
    const std::uint8_t mark = mark_of(text);
    for (std::uint32_t i = 0; i < above.children; ++i) {
      if (above.marks[i] == mark && has_text(nodes_[above.first_child + i], text)) {
        return above.first_child + i;
      }
    }
    return kNoNode;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    NodeId node = kNoNode;
  };

  static constexpr std::size_t kFirstSlots = 16;

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
    std::uint64_t seed = (parent + 1) * kOdd1 + n;
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
  // memcmp without the call, which costs more than the comparison of a usual segment.
  [[nodiscard]] static bool equal_bytes(const char* a, const char* b, std::size_t n) noexcept {
    if (n > 16) {
      return std::memcmp(a, b, n) == 0;
    }
    if (n >= 8) {
      return ((load<std::uint64_t>(a) ^ load<std::uint64_t>(b)) |
              (load<std::uint64_t>(a + n - 8) ^ load<std::uint64_t>(b + n - 8))) == 0;
    }
    if (n >= 4) {
      return ((load<std::uint32_t>(a) ^ load<std::uint32_t>(b)) |
              (load<std::uint32_t>(a + n - 4) ^ load<std::uint32_t>(b + n - 4))) == 0;
    }
    return n == 0 || (a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1]);
  }
  // Tells most siblings apart without touching them.
  [[nodiscard]] static std::uint8_t mark_of(std::string_view text) noexcept {
    return text.empty()
               ? std::uint8_t{0}
               : static_cast<std::uint8_t>(static_cast<unsigned char>(text.front()) * 7U +
                                           static_cast<unsigned char>(text.back()) * 3U + text.size());
  }
  [[nodiscard]] std::string_view text_of(const RouteNode& node) const noexcept {
    const char* text =
        node.text_size <= RouteNode::kInlineText ? node.text : pool_.data() + load<std::uint32_t>(node.text);
    return {text, node.text_size};
  }
  [[nodiscard]] bool has_text(const RouteNode& node, std::string_view text) const noexcept {
    return node.text_size == text.size() && equal_bytes(text_of(node).data(), text.data(), text.size());
  }
  [[nodiscard]] NodeId find_in_table(NodeId parent, std::string_view text) const noexcept {
    const std::uint64_t hash = hash_of(parent, text);
    const auto tag = static_cast<std::uint32_t>(hash >> 32);
    for (std::size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot slot = slots_[i];
      if (slot.node == kNoNode) {
        return kNoNode;
      }
      if (slot.tag == tag && nodes_[slot.node].parent == parent && has_text(nodes_[slot.node], text)) {
        return slot.node;
      }
    }
  }
  [[nodiscard]] NodeId add_node();
  // The literal children of each node: those of i are ids[begin[i]] .. ids[begin[i + 1] - 1].
  struct Children {
    std::vector<std::uint32_t> begin;
    std::vector<NodeId> ids;
  };
  [[nodiscard]] Children literal_children() const;
  // All nodes in the order they are to stand: depth first, but few children side by side before the subtrees
  // of each. Sets first_child, children and marks on the way.
  [[nodiscard]] std::vector<NodeId> layout();
  // Room for one more slot, at most half of them taken: a search that fails ends after two on average.
  void reserve_slot();
  void insert(NodeId id) noexcept;

  std::vector<RouteNode> nodes_;
  std::size_t roots_ = 0;
  std::vector<Slot> slots_ = std::vector<Slot>(kFirstSlots);
  std::size_t mask_ = kFirstSlots - 1;
  std::size_t used_ = 0;
  std::string pool_;
};

}  // namespace flotilla::gateway

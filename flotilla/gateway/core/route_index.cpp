#include "flotilla/gateway/core/route_index.hpp"

#include "flotilla/base/assert.hpp"

namespace flotilla::gateway {

NodeId RouteIndex::add_root() {
  FLOTILLA_ASSERT(nodes_.size() < kNoNode / 2);
  nodes_.emplace_back();
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId RouteIndex::add_parameter(NodeId parent) {
  if (nodes_[parent].parameter == kNoNode) {
    const NodeId child = add_root();
    nodes_[parent].parameter = child;
    nodes_[parent].plain = false;
  }
  return nodes_[parent].parameter;
}

NodeId RouteIndex::add_child(NodeId parent, std::string_view text) {
  if (const NodeId known = find(parent, text); known != kNoNode) {
    return known;
  }
  const NodeId id = add_root();
  RouteNode& node = nodes_[id];
  node.parent = parent;
  node.text_size = static_cast<std::uint16_t>(text.size());
  if (text.size() <= RouteNode::kInlineText) {
    std::memcpy(node.text, text.data(), text.size());
  } else {
    const auto offset = static_cast<std::uint32_t>(pool_.size());
    std::memcpy(node.text, &offset, sizeof offset);
    pool_ += text;
  }
  // Half full at most: a search that fails ends after two slots on average, within one cache line.
  if (++used_ * 2 > slots_.size()) {
    grow();
  }
  insert(id, hash_of(parent, text));
  return id;
}

void RouteIndex::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.node != kNoNode) {
      const RouteNode& node = nodes_[slot.node];
      const char* text = node.text_size <= RouteNode::kInlineText
                             ? node.text
                             : pool_.data() + load<std::uint32_t>(node.text);
      insert(slot.node, hash_of(node.parent, {text, node.text_size}));
    }
  }
}

void RouteIndex::insert(NodeId id, std::uint64_t hash) noexcept {
  std::size_t i = hash & mask_;
  while (slots_[i].node != kNoNode) {
    i = (i + 1) & mask_;
  }
  slots_[i] = {static_cast<std::uint32_t>(hash >> 32), id};
}

}  // namespace flotilla::gateway

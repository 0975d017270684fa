#include "flotilla/gateway/core/route_index.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "flotilla/base/assert.hpp"

namespace flotilla::gateway {

NodeId RouteIndex::add_root() {
  FLOTILLA_ASSERT(roots_ == nodes_.size());
  ++roots_;
  return add_node();
}

NodeId RouteIndex::add_node() {
  FLOTILLA_ASSERT(nodes_.size() < kNoNode / 2);
  nodes_.emplace_back();
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId RouteIndex::add_parameter(NodeId parent) {
  if (nodes_[parent].parameter == kNoNode) {
    const NodeId child = add_node();
    nodes_[parent].parameter = child;
    nodes_[parent].plain = false;
  }
  return nodes_[parent].parameter;
}

NodeId RouteIndex::add_child(NodeId parent, std::string_view text) {
  if (const NodeId known = find(parent, text); known != kNoNode) {
    return known;
  }
  const NodeId id = add_node();
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
  reserve_slot();
  insert(id);
  return id;
}

std::vector<NodeId> RouteIndex::freeze() {
  const std::vector<NodeId> order = layout();
  FLOTILLA_ASSERT(order.size() == nodes_.size());
  std::vector<NodeId> renamed(nodes_.size());
  for (NodeId id = 0; id < order.size(); ++id) {
    renamed[order[id]] = id;
  }
  const auto rename = [&renamed](NodeId id) { return id == kNoNode ? kNoNode : renamed[id]; };
  std::vector<RouteNode> laid_out(nodes_.size());
  for (NodeId id = 0; id < order.size(); ++id) {
    laid_out[id] = nodes_[order[id]];
    laid_out[id].parent = rename(laid_out[id].parent);
    laid_out[id].parameter = rename(laid_out[id].parameter);
  }
  nodes_ = std::move(laid_out);
  slots_.assign(kFirstSlots, {});
  used_ = 0;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (const NodeId parent = nodes_[id].parent;
        parent != kNoNode && nodes_[parent].children == RouteNode::kMany) {
      reserve_slot();
      insert(id);
    }
  }
  return renamed;
}

RouteIndex::Children RouteIndex::literal_children() const {
  Children children;
  children.begin.assign(nodes_.size() + 1, 0);
  for (const RouteNode& node : nodes_) {
    if (node.parent != kNoNode) {
      ++children.begin[node.parent + 1];
    }
  }
  for (std::size_t i = 1; i < children.begin.size(); ++i) {
    children.begin[i] += children.begin[i - 1];
  }
  children.ids.resize(children.begin.back());
  std::vector<std::uint32_t> next(children.begin.begin(), children.begin.end() - 1);
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (nodes_[id].parent != kNoNode) {
      children.ids[next[nodes_[id].parent]++] = id;
    }
  }
  return children;
}

std::vector<NodeId> RouteIndex::layout() {
  const Children children = literal_children();
  std::vector<NodeId> order(roots_);
  std::iota(order.begin(), order.end(), NodeId{0});
  std::vector<NodeId> open(order.rbegin(), order.rend());
  std::vector<bool> placed(nodes_.size(), false);
  const auto place = [&](NodeId id) {
    if (!placed[id]) {
      placed[id] = true;
      order.push_back(id);
    }
  };
  std::fill_n(placed.begin(), roots_, true);
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    place(id);
    RouteNode& node = nodes_[id];
    const std::span<const NodeId> literals(children.ids.begin() + children.begin[id],
                                           children.ids.begin() + children.begin[id + 1]);
    if (literals.size() <= RouteNode::kFewChildren) {
      node.children = static_cast<std::uint8_t>(literals.size());
      node.first_child = static_cast<NodeId>(order.size());
      for (std::size_t i = 0; i < literals.size(); ++i) {
        node.marks[i] = mark_of(text_of(nodes_[literals[i]]));
        place(literals[i]);
      }
    }
    open.insert(open.end(), literals.rbegin(), literals.rend());
    if (node.parameter != kNoNode) {
      open.push_back(node.parameter);
    }
  }
  return order;
}

void RouteIndex::reserve_slot() {
  mask_ = slots_.size() - 1;
  if (++used_ * 2 <= slots_.size()) {
    return;
  }
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.node != kNoNode) {
      insert(slot.node);
    }
  }
}

void RouteIndex::insert(NodeId id) noexcept {
  const std::uint64_t hash = hash_of(nodes_[id].parent, text_of(nodes_[id]));
  std::size_t i = hash & mask_;
  while (slots_[i].node != kNoNode) {
    i = (i + 1) & mask_;
  }
  slots_[i] = {static_cast<std::uint32_t>(hash >> 32), id};
}

}  // namespace flotilla::gateway

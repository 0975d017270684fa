#include "flotilla/json/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <new>
#include <vector>

#include <fmt/format.h>

#include "flotilla/json/number.hpp"

namespace flotilla::json {
namespace {

using detail::ListBlock;
using detail::TextBlock;

// Up to here comparing 16-byte names one by one beats any index.
constexpr std::size_t kLinearMembers = 16;

const Value kNull;

void* allocate(std::size_t bytes) {
  void* p = std::malloc(bytes);
  if (p == nullptr) {
    throw std::bad_alloc();
  }
  return p;
}

template <class Element>
Element* elements(ListBlock* block) noexcept {
  return reinterpret_cast<Element*>(block + 1);
}

template <class Element>
ListBlock* new_list(std::size_t capacity) {
  FLOTILLA_ASSERT(capacity < UINT32_MAX);
  void* p = allocate(sizeof(ListBlock) + capacity * sizeof(Element));
  return new (p) ListBlock{{1}, 0, static_cast<std::uint32_t>(capacity), 1, 2, nullptr};
}

void free_list(ListBlock* block) noexcept {
  std::free(block->sorted);
  std::free(block);
}

std::uint64_t cost_of(const Value& item) noexcept { return item.text_size(); }
std::uint64_t cost_of(const Member& m) noexcept { return m.name.text_size() + 1 + m.value.text_size(); }

// Accounts for an element that was just added.
void grow(ListBlock* block, std::uint64_t cost, std::uint32_t depth) noexcept {
  block->text_size += cost + (block->count > 1 ? 1 : 0);
  block->depth = std::max(block->depth, depth + 1);
  FLOTILLA_ASSERT(block->depth <= Value::kMaxDepth);
}

void build_index(ListBlock* block) {
  std::free(block->sorted);
  block->sorted = nullptr;
  if (block->count <= kLinearMembers) {
    return;
  }
  auto* index = static_cast<std::uint32_t*>(allocate(block->capacity * sizeof(std::uint32_t)));
  const Member* members = elements<Member>(block);
  for (std::uint32_t i = 0; i < block->count; ++i) {
    index[i] = i;
  }
  std::sort(index, index + block->count,
            [&](std::uint32_t a, std::uint32_t b) { return members[a].key() < members[b].key(); });
  block->sorted = index;
}

bool same_text(const Value& a, const Value& b) noexcept {
  return a.same_as(b) || a.as_string() == b.as_string();
}

// An array's or object's exclusive block with room for `capacity` elements: `old` itself if nobody shares
// it. Consumes the caller's reference to `old`.
template <class Element>
ListBlock* exclusive(ListBlock* old, std::size_t capacity) {
  if (old == nullptr) {
    return new_list<Element>(capacity);
  }
  const bool alone = old->references.load(std::memory_order_acquire) == 1;
  if (alone && capacity <= old->capacity) {
    return old;
  }
  capacity =
      capacity <= old->count ? old->count : std::max<std::size_t>(capacity, old->count + old->count / 2);
  ListBlock* fresh = new_list<Element>(capacity);
  fresh->count = old->count;
  fresh->depth = old->depth;
  fresh->text_size = old->text_size;
  if (alone) {  // elements are moved by their bytes: neither Value nor Member points into itself
    std::memcpy(static_cast<void*>(elements<Element>(fresh)), static_cast<void*>(elements<Element>(old)),
                old->count * sizeof(Element));
  } else {
    std::uninitialized_copy_n(elements<Element>(old), old->count, elements<Element>(fresh));
  }
  if (old->sorted != nullptr) {
    fresh->sorted = static_cast<std::uint32_t*>(allocate(capacity * sizeof(std::uint32_t)));
    std::memcpy(fresh->sorted, old->sorted, old->count * sizeof(std::uint32_t));
  }
  if (alone) {
    free_list(old);
  } else if (old->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {  // the others went meanwhile
    std::destroy_n(elements<Element>(old), old->count);
    free_list(old);
  }
  return fresh;
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  constexpr std::string_view names[] = {"null", "boolean", "number", "string", "array", "object"};
  return names[static_cast<std::size_t>(kind)];
}

Value Value::array(std::initializer_list<Value> items) {
  Value v = array();
  v.reserve(items.size());
  for (const Value& item : items) {
    v.push_back(item);
  }
  return v;
}

Value Value::object(std::initializer_list<std::pair<std::string_view, Value>> members) {
  Value v = object();
  v.reserve(members.size());
  for (const auto& [key, value] : members) {
    v.set(key, value);
  }
  return v;
}

Value Value::number(std::string_view text) {
  FLOTILLA_ASSERT(json::is_number(text));
  Value v;
  v.store_text(text, Tag::short_number, Tag::long_number);
  return v;
}

Value Value::number(double value) {
  if (!std::isfinite(value)) {
    return {};
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return number(std::string_view(buffer, end));
}

Value Value::from_integer(std::int64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  Value v;
  v.store_text({buffer, end}, Tag::short_number, Tag::long_number);
  return v;
}

Value Value::from_integer(std::uint64_t value) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  Value v;
  v.store_text({buffer, end}, Tag::short_number, Tag::long_number);
  return v;
}

void Value::store_text(std::string_view text, Tag small, Tag big) {
  if (text.size() <= sizeof text_) {
    tag_ = small;
    size_ = static_cast<std::uint8_t>(text.size());
    std::copy(text.begin(), text.end(), text_);
    return;
  }
  FLOTILLA_ASSERT(text.size() < UINT32_MAX);
  void* p = allocate(sizeof(TextBlock) + text.size());
  auto* b = new (p) TextBlock{{1}, static_cast<std::uint32_t>(text.size())};
  std::memcpy(b + 1, text.data(), text.size());
  tag_ = big;
  set_block(b);
}

void Value::retain() const noexcept {
  if (void* b = block(); b != nullptr) {
    // The count stands first in either block.
    static_cast<std::atomic<std::uint32_t>*>(b)->fetch_add(1, std::memory_order_relaxed);
  }
}

void Value::release() noexcept {
  void* b = block();
  if (b == nullptr) {
    return;
  }
  auto& references = *static_cast<std::atomic<std::uint32_t>*>(b);
  // A sole owner needs no locked instruction: nobody else can raise the count.
  if (references.load(std::memory_order_acquire) != 1 &&
      references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (!is_list()) {
    std::free(b);
    return;
  }
  if (tag_ == Tag::array) {
    std::destroy_n(elements<Value>(list()), list()->count);
  } else {
    std::destroy_n(elements<Member>(list()), list()->count);
  }
  free_list(list());
}

std::optional<std::int64_t> Value::as_int() const noexcept {
  return is_number() ? number_to_int(text()) : std::nullopt;
}

std::optional<double> Value::as_double() const noexcept {
  if (!is_number()) {
    return std::nullopt;
  }
  const std::string_view t = text();
  double value = 0;
  const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), value);
  if (error == std::errc::result_out_of_range) {
    // from_chars does not say on which side: beyond the largest double, or below the smallest.
    const bool small = compare_numbers(t.front() == '-' ? t.substr(1) : t, "1") < 0;
    value = small ? 0.0 : HUGE_VAL;
    return t.front() == '-' ? -value : value;
  }
  return value;
}

const Value& Value::operator[](std::size_t index) const noexcept {
  const auto all = items();
  return index < all.size() ? all[index] : kNull;
}

const Value& Value::operator[](std::string_view key) const noexcept {
  const Value* found = find(key);
  return found != nullptr ? *found : kNull;
}

const Value* Value::find(std::string_view key) const noexcept {
  if (tag_ != Tag::object || block() == nullptr) {
    return nullptr;
  }
  const auto all = members();
  if (list()->sorted == nullptr) {
    for (const Member& m : all) {
      if (m.key() == key) {
        return &m.value;
      }
    }
    return nullptr;
  }
  const std::uint32_t* first = list()->sorted;
  const std::uint32_t* last = first + all.size();
  const auto* at = std::lower_bound(first, last, key,
                                    [&](std::uint32_t i, std::string_view k) { return all[i].key() < k; });
  return at != last && all[*at].key() == key ? &all[*at].value : nullptr;
}

void Value::push_back(Value value) {
  if (is_null()) {
    tag_ = Tag::array;
  }
  FLOTILLA_ASSERT(is_array());
  ListBlock* b = list();
  const std::size_t n = b == nullptr ? 0 : b->count;
  b = exclusive<Value>(b, b == nullptr ? 4 : n + 1);
  set_block(b);
  const std::uint64_t cost = cost_of(value);
  const std::uint32_t deep = value.depth();
  new (elements<Value>(b) + n) Value(std::move(value));
  ++b->count;
  grow(b, cost, deep);
}

void Value::set(std::size_t index, Value value) {
  FLOTILLA_ASSERT(is_array() && index < size());
  ListBlock* b = exclusive<Value>(list(), list()->count);
  set_block(b);
  Value& place = elements<Value>(b)[index];
  b->text_size = b->text_size - place.text_size() + value.text_size();
  b->depth = std::max(b->depth, value.depth() + 1);
  FLOTILLA_ASSERT(b->depth <= kMaxDepth);
  place = std::move(value);
}

// The member's position, or size(); with `insert_at`, where its position belongs in the sorted index.
std::size_t Value::position_of(const Value& key, std::size_t* insert_at) const noexcept {
  const auto all = members();
  const std::uint32_t* index = block() == nullptr ? nullptr : list()->sorted;
  if (index == nullptr) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (same_text(all[i].name, key)) {
        return i;
      }
    }
    return all.size();
  }
  const auto* at = std::lower_bound(index, index + all.size(), key.as_string(),
                                    [&](std::uint32_t i, std::string_view k) { return all[i].key() < k; });
  *insert_at = static_cast<std::size_t>(at - index);
  return *insert_at < all.size() && all[*at].key() == key.as_string() ? *at : all.size();
}

void Value::set_member(Value key, Value value) {
  if (is_null()) {
    tag_ = Tag::object;
  }
  FLOTILLA_ASSERT(is_object() && key.is_string());
  std::size_t insert_at = 0;
  const std::size_t n = size();
  const std::size_t at = position_of(key, &insert_at);
  ListBlock* b = list();
  b = exclusive<Member>(b, b == nullptr ? 4 : std::max<std::size_t>(at + 1, n));
  set_block(b);
  if (at < n) {
    Value& place = elements<Member>(b)[at].value;
    b->text_size = b->text_size - place.text_size() + value.text_size();
    b->depth = std::max(b->depth, value.depth() + 1);
    FLOTILLA_ASSERT(b->depth <= kMaxDepth);
    place = std::move(value);
    return;
  }
  Member* added = new (elements<Member>(b) + n) Member{std::move(key), std::move(value)};
  ++b->count;
  grow(b, cost_of(*added), added->value.depth());
  if (b->sorted == nullptr) {
    build_index(b);
  } else {
    std::memmove(b->sorted + insert_at + 1, b->sorted + insert_at, (n - insert_at) * sizeof(std::uint32_t));
    b->sorted[insert_at] = static_cast<std::uint32_t>(n);
  }
}

bool Value::erase(std::string_view key) {
  FLOTILLA_ASSERT(is_object());
  std::size_t unused = 0;
  const std::size_t at = position_of(Value(key), &unused);
  if (at == size()) {
    return false;
  }
  ListBlock* b = exclusive<Member>(list(), list()->count);
  set_block(b);
  Member* all = elements<Member>(b);
  b->text_size -= cost_of(all[at]) + (b->count > 1 ? 1 : 0);
  std::destroy_at(all + at);
  std::memmove(static_cast<void*>(all + at), static_cast<void*>(all + at + 1),
               (b->count - at - 1) * sizeof(Member));
  --b->count;
  build_index(b);
  return true;
}

void Value::reserve(std::size_t count) {
  FLOTILLA_ASSERT(is_list());
  if (count > size()) {
    set_block(tag_ == Tag::array ? exclusive<Value>(list(), count) : exclusive<Member>(list(), count));
  }
}

std::uint64_t Value::text_size() const noexcept {
  switch (tag_) {
    case Tag::null:
    case Tag::yes:
      return 4;
    case Tag::no:
      return 5;
    case Tag::short_number:
    case Tag::long_number:
      return text().size();
    case Tag::short_string:
    case Tag::long_string:
      return text().size() + 2;
    case Tag::array:
    case Tag::object:
      return block() == nullptr ? 2 : list()->text_size;
  }
  return 0;
}

Value ListBuilder::make_array(std::span<Value> items) {
  Value v = Value::array();
  if (items.empty()) {
    return v;
  }
  ListBlock* b = new_list<Value>(items.size());
  Value* to = elements<Value>(b);
  std::uint64_t cost = 1 + items.size();
  std::uint32_t deep = 0;
  for (Value& item : items) {
    cost += item.text_size();
    deep = std::max(deep, item.depth());
    new (to++) Value(std::move(item));
  }
  b->count = static_cast<std::uint32_t>(items.size());
  b->text_size = cost;
  b->depth = deep + 1;
  FLOTILLA_ASSERT(b->depth <= Value::kMaxDepth);
  v.set_block(b);
  return v;
}

Value ListBuilder::make_object(std::span<Member> members) {
  Value v = Value::object();
  if (members.empty()) {
    return v;
  }
  if (members.size() <= kLinearMembers) {
    v.reserve(members.size());
    for (Member& m : members) {
      v.set_member(std::move(m.name), std::move(m.value));
    }
    return v;
  }
  // Equal keys stand together after the sort, in the order of their places: the last gives the value, the
  // first the place.
  std::vector<std::uint32_t> order(members.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    const auto by_key = members[a].key() <=> members[b].key();
    return by_key != 0 ? by_key < 0 : a < b;
  });
  std::vector<bool> dropped(members.size());
  std::size_t kept = members.size();
  for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
    if (members[order[i]].key() != members[order[first]].key()) {
      first = i;
      continue;
    }
    members[order[first]].value = std::move(members[order[i]].value);
    dropped[order[i]] = true;
    --kept;
  }
  ListBlock* b = new_list<Member>(kept);
  v.set_block(b);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!dropped[i]) {
      const Member* added = new (elements<Member>(b) + b->count) Member(std::move(members[i]));
      ++b->count;
      grow(b, cost_of(*added), added->value.depth());
    }
  }
  build_index(b);
  return v;
}

}  // namespace flotilla::json

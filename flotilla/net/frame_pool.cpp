#include "flotilla/net/frame_pool.hpp"

#include <array>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FLOTILLA_FRAME_POOL_OFF 1
#endif
#endif

namespace flotilla::net::frame_pool {

#ifdef FLOTILLA_FRAME_POOL_OFF
void* allocate(std::size_t size) { return ::operator new(size); }
void release(void* memory, std::size_t) noexcept { ::operator delete(memory); }
#else
namespace {

constexpr std::size_t kGranule = 64;
constexpr std::size_t kLargest = 2048;
constexpr std::size_t kMostKept = 1024;

struct FreeBlock {
  FreeBlock* next;
};

struct Lists {
  std::array<FreeBlock*, kLargest / kGranule> heads{};
  std::array<std::size_t, kLargest / kGranule> counts{};
  Lists() = default;
  Lists(const Lists&) = delete;
  Lists& operator=(const Lists&) = delete;
  ~Lists() {
    for (FreeBlock* head : heads) {
      while (head != nullptr) {
        FreeBlock* next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }
};

thread_local Lists lists;

}  // namespace

void* allocate(std::size_t size) {
  const std::size_t index = (size - 1) / kGranule;
  if (index >= lists.heads.size()) {
    return ::operator new(size);
  }
  FreeBlock*& head = lists.heads[index];
  if (head == nullptr) {
    return ::operator new((index + 1) * kGranule);
  }
  --lists.counts[index];
  FreeBlock* block = head;
  head = block->next;
  return block;
}

void release(void* memory, std::size_t size) noexcept {
  const std::size_t index = (size - 1) / kGranule;
  if (index >= lists.heads.size() || lists.counts[index] >= kMostKept) {
    ::operator delete(memory);
    return;
  }
  ++lists.counts[index];
  lists.heads[index] = new (memory) FreeBlock{lists.heads[index]};
}
#endif

}  // namespace flotilla::net::frame_pool

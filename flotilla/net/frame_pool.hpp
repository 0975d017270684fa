// Memory for coroutine frames: free lists per thread and size, so that a request's frames are reused
// instead of allocated.
//
// Threads: each thread has its own lists; a frame freed on another thread joins that thread's lists.
// Limits: frames over 2 KiB go to the heap; each list keeps at most 1,024 blocks. Off under sanitizers,
// so that they see every use after free.
#pragma once

#include <cstddef>

namespace flotilla::net::frame_pool {

[[nodiscard]] void* allocate(std::size_t size);
void release(void* memory, std::size_t size) noexcept;

}  // namespace flotilla::net::frame_pool

// The sizes of the processor's caches, as the system reports them.
#pragma once
#include <cstddef>

namespace softlane {

// Results of so many bytes and more are written past the caches: half of the last level, but no
// more than 16 MB. Virtual machines report a whole socket's cache, of which one core has a share:
// on one that reports 260 MB, results of 16 MB took 0.7 times as long that way, of 4 MB about as
// long.
std::size_t streaming_bytes() noexcept;

// Where results go past the caches, the exponentials of rows of up to so many bytes are kept in the
// second-level cache until the row is written: a sixth of it, for two rows of them, two of
// arguments and what else there is.
std::size_t largest_kept_bytes() noexcept;

// The size of a cache from the text of the system's files ("266240K"), for one file each level; 0:
// unknown.
std::size_t cache_bytes(const char *text) noexcept;

} // namespace softlane

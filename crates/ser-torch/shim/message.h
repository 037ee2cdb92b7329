// The text of an exception, for callers in another language.

#pragma once

#include <cstddef>
#include <cstring>

// Leaves the beginning of `text` in `message`, which is zero throughout and has room for `room` bytes, the closing zero included.
inline void leave(char* message, size_t room, const char* text) noexcept {
  std::strncpy(message, text, room - 1);
}

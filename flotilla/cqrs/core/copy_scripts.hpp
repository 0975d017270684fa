// What Redis is told to do about copies, in its own language: both run whole or not at all, between the
// commands of others.
//
// The marker of a view is a hash with the members of CopyMarker. Its name begins with what no view's name can
// begin with, so it is nobody's copy. Ownership: constants, pure functions. Limits: a batch is one script, so
// Redis serves nobody else meanwhile: CopyLimits bounds it.
#pragma once

#include <string>
#include <string_view>

namespace flotilla::cqrs {

[[nodiscard]] inline std::string copy_marker_key(std::string_view view) {
  return "@flotilla/copies/" + std::string(view);
}
// The name of a copy, as whoever reads Redis without us knows it.
[[nodiscard]] inline std::string copy_key(std::string_view view, std::string_view key) {
  return std::string(view) + ":" + std::string(key);
}

// KEYS: the marker. ARGV: journal, epoch, claim, batch, the last claim of the same writer or nothing.
// {"ok", and the six members as they were}; {"newer", epoch}; {"taken"}.
inline constexpr std::string_view kClaimScript = R"(
local m = redis.call('HMGET', KEYS[1], 'journal', 'epoch', 'claim', 'batch', 'generation', 'position')
for i = 1, 6 do m[i] = m[i] or '' end
if m[1] == ARGV[1] and (tonumber(m[2]) or 0) > tonumber(ARGV[2]) then return {'newer', m[2]} end
if m[1] ~= '' and m[1] ~= ARGV[1] and ARGV[5] ~= '' and m[3] ~= ARGV[5] then return {'taken'} end
redis.call('HSET', KEYS[1], 'journal', ARGV[1], 'epoch', ARGV[2], 'claim', ARGV[3], 'batch', ARGV[4])
redis.call('HDEL', KEYS[1], 'generation', 'position')
return {'ok', m[1], m[2], m[3], m[4], m[5], m[6]}
)";

// KEYS: the marker, copies. ARGV: claim, journal, batch, generation, position, and for each copy its life in
// ms and what it is; a life of 0: there is none. How many copies found no room; or "refused", "taken",
// "unmarked", and nothing is written. A copy that finds no room goes, for the old one would be wrong.
inline constexpr std::string_view kWriteScript = R"(
local m = redis.call('HMGET', KEYS[1], 'claim', 'journal')
if not m[1] then return 'unmarked' end
if m[1] ~= ARGV[1] then return m[2] == ARGV[2] and 'refused' or 'taken' end
local failed = 0
for i = 2, #KEYS do
  local life, value = ARGV[2 * i + 2], ARGV[2 * i + 3]
  if life == '0' then
    redis.call('DEL', KEYS[i])
  else
    local done = redis.pcall('SET', KEYS[i], value, 'PX', life)
    if done['err'] then
      redis.call('DEL', KEYS[i])
      failed = failed + 1
    end
  end
end
redis.pcall('HSET', KEYS[1], 'batch', ARGV[3])
if ARGV[4] == '0' then
  redis.call('HDEL', KEYS[1], 'generation', 'position')
else
  redis.pcall('HSET', KEYS[1], 'generation', ARGV[4], 'position', ARGV[5])
end
return failed
)";

}  // namespace flotilla::cqrs

-- Gives back what a lease has counted and nobody has spent, to the windows
-- that are the same still, or are now the previous ones; not to counters that
-- were begun anew since.
--
-- KEYS[1]  what holds the counters
-- ARGV[1]  their field
-- ARGV[2]  packed, little-endian: since when they count, the record's "reset",
--          else "created", else 0 (7), the amount (6), then for each window
--          its seconds (4) and its start (5)
--
-- Counters of many keys, and those that were begun after their record was
-- deleted, have neither "reset" nor "created".

local got = redis.call('HMGET', KEYS[1], ARGV[1], 'reset', 'created')
local stored = got[1]
local epoch, amount, at = struct.unpack('<I7I6', ARGV[2])

local since = got[2] or got[3]

if not stored or since and tonumber(since) ~= epoch then
    return 0
end

local starts = {}

while at <= #ARGV[2] do
    local seconds, start
    seconds, start, at = struct.unpack('<I4I5', ARGV[2], at)
    starts[seconds] = start
end

local counters = ''

for place = 1, #stored, 21 do
    local seconds, start, current, previous =
        struct.unpack('<I4I5I6I6', stored, place)

    if starts[seconds] == start then
        current = math.max(current - amount, 0)

    elseif starts[seconds] == start - seconds then
        previous = math.max(previous - amount, 0)
    end

    counters = counters
        .. struct.pack('<I4I5I6I6', seconds, start, current, previous)
end

redis.call('HSET', KEYS[1], ARGV[1], counters)

return 1

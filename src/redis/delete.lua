-- Deletes a key's record with its counters.
--
-- KEYS: record
-- ARGV: channel of changes, digest, token for the gateways' answers ('' if
--       nobody waits)
--
-- Returns 1, or 0 if there was none.

if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end

local rev = tonumber(redis.call('HGET', KEYS[1], 'rev') or 0) or 0
local time = redis.call('TIME')

rev = math.max(rev + 1, time[1] * 1000000 + time[2])

-- Told first: a user who may not publish has then deleted nothing.

local told = ARGV[2] .. ' ' .. string.format('%.0f', rev)

if ARGV[3] ~= '' then
    told = told .. ' ' .. ARGV[3]
end

redis.call('PUBLISH', ARGV[1], told)

return redis.call('DEL', KEYS[1])

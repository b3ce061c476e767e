-- Writes a new key's record, unless there is one.
--
-- KEYS: record
-- ARGV: channel of changes, digest, field, value ...; "now" as the value of
--       "reset" becomes the rev
--
-- Returns the record's new rev (a number), or the id of the record that
-- stands there already (a string).

local known = redis.call('HMGET', KEYS[1], 'id', 'rev')

if known[1] or known[2] then
    return known[1] or ''
end

local time = redis.call('TIME')
local rev = string.format('%.0f', time[1] * 1000000 + time[2])

-- Told first: a user who may not publish has then written nothing.  Nobody
-- hears of it before the script is over.

redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. rev)

for i = 3, #ARGV, 2 do
    if ARGV[i] == 'reset' and ARGV[i + 1] == 'now' then
        ARGV[i + 1] = rev
    end
end

-- What a deleted record has left of its family's counters is the key's again,
-- and doesn't expire any more.

local left = redis.call('HGETALL', KEYS[1])

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'rev', rev, unpack(ARGV, 3))

if #left > 0 then
    redis.call('HSET', KEYS[1], unpack(left))
end

return tonumber(rev)

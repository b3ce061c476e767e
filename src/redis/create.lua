-- Writes a new key's record, unless there is one.
--
-- KEYS: record
-- ARGV: channel of changes, digest, field, value ...
--
-- Returns the record's new rev (a number), or the id of the record that
-- stands there already (a string).

local id = redis.call('HGET', KEYS[1], 'id')

if id or redis.call('EXISTS', KEYS[1]) == 1 then
    return id or ''
end

local time = redis.call('TIME')
local rev = string.format('%.0f', time[1] * 1000000 + time[2])

-- Told first: a user who may not publish has then written nothing.  Nobody
-- hears of it before the script is over.

redis.call('PUBLISH', ARGV[1], ARGV[2] .. ' ' .. rev)
redis.call('HSET', KEYS[1], 'rev', rev, unpack(ARGV, 3))

return tonumber(rev)

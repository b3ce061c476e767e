-- Changes fields of a key's record that is still as its reader saw it.
--
-- KEYS: record
-- ARGV: channel of changes, digest, token for the gateways' answers ('' if
--       nobody waits), rev seen by the reader ('' if none), field, value ...;
--       an empty value removes the field
--
-- Returns the new rev, or 0: changed or deleted meanwhile, nothing done.

local rev = redis.call('HGET', KEYS[1], 'rev')

if (rev or '') ~= ARGV[4] or redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end

local time = redis.call('TIME')

rev = math.max((tonumber(rev) or 0) + 1, time[1] * 1000000 + time[2])
rev = string.format('%.0f', rev)

-- Told first: a user who may not publish has then written nothing.

local told = ARGV[2] .. ' ' .. rev

if ARGV[3] ~= '' then
    told = told .. ' ' .. ARGV[3]
end

redis.call('PUBLISH', ARGV[1], told)
redis.call('HSET', KEYS[1], 'rev', rev)

for i = 5, #ARGV, 2 do
    if ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[1], ARGV[i])
    else
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end

return tonumber(rev)

-- Deletes a key's record with its counters, but for those that are also of
-- keys that it was rotated to: they stay, without a record, while they count.
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

local kept = redis.call('HMGET', KEYS[1], 'rotated_to', 'family', 'reset',
                        'created')
local counters, longest = {}, 0

if kept[1] and not kept[2] then
    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
        if field == 'n' or string.sub(field, 1, 2) == 'n:' then
            local packed = redis.call('HGET', KEYS[1], field)

            for at = 1, #packed - 20, 21 do
                longest = math.max(longest, (struct.unpack('<I4', packed, at)))
            end

            counters[#counters + 1] = field
            counters[#counters + 1] = packed
        end
    end
end

redis.call('DEL', KEYS[1])

if longest > 0 then
    redis.call('HSET', KEYS[1], 'reset', kept[3] or kept[4] or 0,
               unpack(counters))

    -- a user who may not do so has deleted the key all the same
    redis.pcall('EXPIRE', KEYS[1], 2 * longest)
end

return 1

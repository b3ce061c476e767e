-- Forgets the counters that a deleted record has left to its family.
--
-- KEYS: what was the record
--
-- Returns the number by which what was counted ahead before is told apart, or
-- 0: there is a record, nothing is done.

if redis.call('HGET', KEYS[1], 'rev') then
    return 0
end

local time = redis.call('TIME')
local reset = string.format('%.0f', time[1] * 1000000 + time[2])
local fields = redis.call('HKEYS', KEYS[1])

-- Set first: a hash without fields would lose its time to live.

if #fields > 0 then
    redis.call('HSET', KEYS[1], 'reset', reset)
end

for _, field in ipairs(fields) do
    if field ~= 'reset' then
        redis.call('HDEL', KEYS[1], field)
    end
end

return tonumber(reset)

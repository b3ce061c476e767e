-- A key that gets limits goes on with what it has used under the default plan
-- of a location, unless there are several.
--
-- KEYS: what holds its counters
--
-- Returns 1, or 0: there is nothing to go on with.

local used

for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if field == 'n' then
        return 0
    end

    if string.sub(field, 1, 2) == 'n:' then
        used = used and '' or field
    end
end

if not used or used == '' then
    return 0
end

return redis.call('HSET', KEYS[1], 'n', redis.call('HGET', KEYS[1], used))

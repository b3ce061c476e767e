-- Changes fields of a key's record that is still as its reader saw it.
--
-- KEYS: record
-- ARGV: channel of changes, digest, token for the gateways' answers ('' if
--       nobody waits), rev seen by the reader ('' if none), field, value ...;
--       an empty value removes the field; "reset" forgets what is used, and
--       its value, or the new rev if that is "now", is what tells it apart
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

local limited = false

for i = 5, #ARGV, 2 do
    if ARGV[i] == 'reset' then
        local reset = ARGV[i + 1] == 'now' and rev or ARGV[i + 1]

        redis.call('HSET', KEYS[1], 'reset', reset)

        for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
            if field == 'n' or string.sub(field, 1, 2) == 'n:' then
                redis.call('HDEL', KEYS[1], field)
            end
        end

    elseif ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[1], ARGV[i])
    else
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
        limited = limited or ARGV[i] == 'limits' or ARGV[i] == 'plan'
    end
end

-- A key that gets limits goes on with what it has used under the default plan
-- of a location, unless there are several.

if limited and redis.call('HEXISTS', KEYS[1], 'n') == 0 then
    local used

    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
        if string.sub(field, 1, 2) == 'n:' then
            used = used and '' or field
        end
    end

    if used and used ~= '' then
        redis.call('HSET', KEYS[1], 'n', redis.call('HGET', KEYS[1], used))
    end
end

return tonumber(rev)

-- Lists keys that expire soon.
--
-- What is in time already when the first gateway asks is no news, and would
-- bury all that is: it is listed when less is left.
--
-- KEYS[1]  when keys expire
-- ARGV[1]  until when it is soon, in Unix seconds, ARGV[2] how many keys at
--          most, ARGV[3] how much later the first ones are listed
--
-- Answers how many there were, and their ids but for those of later.

local soon = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'WITHSCORES',
    'LIMIT', 0, ARGV[2])

local first = not redis.call('ZSCORE', KEYS[1], '*')
local list = { #soon / 2 }

for i = 1, #soon, 2 do
    if first and soon[i + 1] + ARGV[3] > tonumber(ARGV[1]) then
        redis.call('ZADD', KEYS[1],
            string.format('%.0f', soon[i + 1] + ARGV[3]), soon[i])
    else
        list[#list + 1] = soon[i]
    end
end

if first and #soon < 2 * ARGV[2] then
    redis.call('ZADD', KEYS[1], '+inf', '*')
end

return list

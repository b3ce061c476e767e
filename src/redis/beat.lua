-- A worker of a gateway says that it is there, and hears "new" if Redis didn't
-- know it, else "known".
--
-- KEYS[1]  the gateways
-- ARGV[1]  its name, ARGV[2] its version, ARGV[3] for how many seconds it runs,
--          ARGV[4] the print of its pepper

local now = redis.call('TIME')[1]

local new = redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2] .. ' ' ..
    string.format('%.0f', now - ARGV[3]) .. ' ' .. ARGV[4])

return new == 1 and 'new' or 'known'

-- Checks the record, counts a minute and a day, all or none.  KEYS[1]: the
-- record; ARGV[1]: now.  Answers "invalid", or what check() of lua-strict.lua
-- takes apart.

local r = redis.call('HMGET', KEYS[1], 'id', 'status', 'expires', 'scopes',
                     'minute', 'day', 'm', 'mn', 'd', 'dn')

local now = tonumber(ARGV[1])
local expires = tonumber(r[3])

if r[2] ~= 'active' or expires > 0 and expires <= now then
    return 'invalid'
end

local minute, day = now - now % 60, now - now % 86400
local m = (r[7] == tostring(minute) and r[8] or 0) + 1
local d = (r[9] == tostring(day) and r[10] or 0) + 1
local verdict = 'P'

if m > tonumber(r[5]) or d > tonumber(r[6]) then
    verdict, m, d = 'L', m - 1, d - 1

else
    redis.call('HSET', KEYS[1], 'm', minute, 'mn', m, 'd', day, 'dn', d)
end

local limit, left, seconds = r[5], r[5] - m, 60

if r[6] - d < left then
    limit, left, seconds = r[6], r[6] - d, 86400
end

return table.concat({ verdict, limit, left, seconds, r[1], r[4] }, ' ')

-- Decides a request: is the record still the one the gateway knows, may it
-- be used now, does the cost fit every window?  Counts it in all windows or in
-- none.  See core/record.h and core/limit.h for what is stored.
--
-- KEYS[1]  the record; where there is none, what holds the counters
-- KEYS[2]  what holds the counters, if not the record
-- ARGV[1]  the rev that the gateway knows, "" for none; "-": there is no
--          record; "*": any rev
-- ARGV[2]  packed, little-endian: not before (5), until (5), cost (6), flags
--          (1: sliding windows; 2: count even what doesn't fit), then for
--          each window its limit (6) and seconds (4)
-- ARGV[3]  the field of the counters, if there are windows
--
-- Answers the whole record and "now" if its rev is another (nothing but "now"
-- if there is no record), else a string: 0 passed, 1 limited or 2 out of
-- its time, then the time in microseconds (7), then the counters.

local from, till, cost, flags, at = struct.unpack('<I5I5I6B', ARGV[2])
local field, shared = ARGV[3], KEYS[2]
local holder = shared or KEYS[1]
local stored, rev

if ARGV[1] == '-' then
    shared = holder

elseif field and not shared then
    local got = redis.call('HMGET', holder, 'rev', field)
    rev, stored = got[1], got[2]

else
    rev = redis.call('HGET', KEYS[1], 'rev')
end

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_us = now * 1000000 + time[2]

if rev ~= ARGV[1] and ARGV[1] ~= '-' and not (rev and ARGV[1] == '*') then
    local record = redis.call('HGETALL', KEYS[1])
    record[#record + 1] = 'now'
    record[#record + 1] = struct.pack('<I7', now_us)
    return record
end

if now < from or now >= till then
    return struct.pack('<BI7', 2, now_us)
end

if not field then
    return struct.pack('<BI7', 0, now_us)
end

if shared then
    stored = redis.call('HGET', holder, field)
end

local fits, fresh = true, not stored
local windows, n = {}, 0

while at <= #ARGV[2] do
    local limit, seconds
    limit, seconds, at = struct.unpack('<I6I4', ARGV[2], at)

    local start = now - now % seconds
    local current, previous = 0, 0

    for p = 1, stored and #stored or 0, 21 do
        local s, began, c, before = struct.unpack('<I4I5I6I6', stored, p)

        if s == seconds then
            -- a window ahead, since the clock went back, is this one
            if began >= start then
                current, previous = c, before
            else
                previous = began == start - seconds and c or 0
                fresh = true
            end
            break
        end
    end

    local used = current

    if flags % 2 == 1 and previous > 0 then
        local left = (start + seconds) * 1000000 - now_us
        used = current + math.ceil(previous * left / (seconds * 1000000))
    end

    if cost > 0 and used + cost > limit then
        fits = false
    end

    windows[n + 1], windows[n + 2] = seconds, start
    windows[n + 3], windows[n + 4] = current, previous
    n = n + 4
end

local add = (fits or flags >= 2) and cost or 0
local counters = ''

for i = 1, n, 4 do
    counters = counters .. struct.pack('<I4I5I6I6', windows[i], windows[i + 1],
        math.min(windows[i + 2] + add, 281474976710655), windows[i + 3])
end

if add > 0 then
    redis.call('HSET', holder, field, counters)

    if shared and fresh then
        redis.call('EXPIRE', holder, 2 * windows[n - 3])
    end
end

return struct.pack('<BI7', fits and 0 or 1, now_us) .. counters

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
-- ARGV[4]  a lease: how much more to count, besides the cost, as far as an
--          eighth of what is left goes
--
-- Answers, if the rev is another, the whole record and then its name with the
-- time in microseconds (7), or only these if there is no record; else a
-- string: 0 passed, 1 limited or 2 out of
-- its time, then the time in microseconds (7), what is leased (6), and the
-- counters.

local call, pack, unpack = redis.call, struct.pack, struct.unpack
local known, asked, field, shared = ARGV[1], ARGV[2], ARGV[3], KEYS[2]
local holder = shared or KEYS[1]
local rev, stored

if known == '-' then
    shared = holder

elseif field and not shared then
    local got = call('HMGET', holder, 'rev', field)
    rev, stored = got[1], got[2]

else
    rev = call('HGET', KEYS[1], 'rev')
end

local time = call('TIME')
local now = tonumber(time[1])
local now_us = now * 1000000 + time[2]

if rev ~= known and known ~= '-' and not (rev and known == '*') then
    local record = call('HGETALL', KEYS[1])
    record[#record + 1] = KEYS[1]
    record[#record + 1] = pack('<I7', now_us)
    return record
end

local from, till, cost, flags = unpack('<I5I5I6B', asked)

if now < from or now >= till then
    return pack('<BI7I6', 2, now_us, 0)
end

if not field then
    return pack('<BI7I6', 0, now_us, 0)
end

if shared then
    stored = call('HGET', holder, field)
end

local sliding, forced = flags % 2 == 1, flags >= 2
local size, stored_size = #asked, stored and #stored or 0
local verdict, add, leased, fresh = 0, cost, 0, not stored
local want = tonumber(ARGV[4])
local counters, seconds, again

repeat
    local refused, room = false, want
    local at, place = 18, 1

    counters = ''

    while at <= size do
        local limit
        limit, seconds, at = unpack('<I6I4', asked, at)

        local start, current, previous = now - now % seconds, 0, 0

        -- both lists are in the order of their seconds
        while place < stored_size do
            local s, began, c, before, next = unpack('<I4I5I6I6', stored, place)

            if s > seconds then
                break
            end

            place = next

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

        if sliding and previous > 0 then
            local left = (start + seconds) * 1000000 - now_us
            used = current + math.ceil(previous * left / (seconds * 1000000))
        end

        if used + cost > limit and cost > 0 and not forced then
            refused = true
        end

        if want then
            room = math.min(room, math.floor((limit - used - cost) / 8))
        end

        counters = counters .. pack('<I4I5I6I6', seconds, start,
            math.min(current + add, 281474976710655), previous)
    end

    -- once more, for the counters as they stay, or with the lease

    again = false

    if refused then
        again = add > 0
        verdict, add = 1, 0

    elseif want and leased == 0 and room > 0 then
        leased = room
        add = cost + leased
        again = true
    end
until not again

if add > 0 then
    call('HSET', holder, field, counters)

    if shared and fresh then
        call('EXPIRE', holder, 2 * seconds)
    end
end

return pack('<BI7I6', verdict, now_us, leased) .. counters

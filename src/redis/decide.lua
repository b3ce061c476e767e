-- Decides a request: is the record still the one the gateway knows, may it
-- be used now, does the cost fit every window?  Counts it in all windows or in
-- none.  See core/record.h and core/limit.h for what is stored.
--
-- KEYS[1]  the record; where there is none, what holds the counters
-- KEYS[2]  what holds the counters, if not the record; it may be the record
--          of the first key of a family
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
    -- without a rev these are the counters that a deleted record has left
    local record = rev and call('HGETALL', KEYS[1]) or {}
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
local want = tonumber(ARGV[4])
local refused, leased, add = false, 0, cost
local fresh, ahead, counters, longest, others, again

repeat
    local room, at, place, nth, left = want, 18, 1, 0, 24

    fresh, ahead, counters, longest, others = not stored, false, '', 0, nil

    while at <= size do
        local limit, seconds
        limit, seconds, at = unpack('<I6I4', asked, at)
        nth = nth + 1

        local start, current, previous = now - now % seconds, 0, 0
        local s, began, c, before, next

        -- both lists are in the order of their seconds
        while place < stored_size do
            s, began, c, before, next = unpack('<I4I5I6I6', stored, place)

            if s >= seconds then
                break
            end

            -- it isn't asked for, and stays as it is while it counts
            if left > 0 and began + 2 * s > now then
                others = others or {}
                others[nth] = (others[nth] or '') .. stored:sub(place, next - 1)
                left = left - 1
            end

            place = next
        end

        if s == seconds then
            place = next

            if began >= start then
                current, previous = c, before
                ahead = ahead or began > start

            else
                previous = began == start - seconds and c or 0
                fresh = true
            end

        else
            fresh = true
        end

        local used = current

        if sliding and previous > 0 then
            local share = (start + seconds) * 1000000 - now_us
            used = current + math.ceil(previous * share / (seconds * 1000000))
        end

        if used + cost > limit and cost > 0 and not forced then
            refused = true
        end

        if want then
            room = math.min(room, math.floor((limit - used - cost) / 8))
        end

        current = current + add
        if current > 281474976710655 then
            current = 281474976710655
        end

        counters = counters
            .. pack('<I4I5I6I6', seconds, start, current, previous)
        longest = seconds
    end

    while place < stored_size do
        local s, began, _, _, next = unpack('<I4I5I6I6', stored, place)

        if left > 0 and began + 2 * s > now then
            others = others or {}
            others[nth + 1] = (others[nth + 1] or '')
                .. stored:sub(place, next - 1)
            left = left - 1
            longest = s
        end

        place = next
    end

    -- once more, for the counters as they stay, or with the lease

    again = false

    if refused then
        again = add > 0
        add = 0

    elseif want and leased == 0 and room > 0 then
        leased = room
        add = cost + leased
        again = true
    end
until not again

if add > 0 or ahead then
    local value = counters

    if others then
        value = ''

        for i = 1, #counters / 21 + 1 do
            value = value .. (others[i] or '')
                .. counters:sub(21 * i - 20, 21 * i)
        end
    end

    call('HSET', holder, field, value)

    -- a record doesn't expire, nor what its family has used
    if shared and fresh and not call('HGET', holder, 'rev') then
        call('EXPIRE', holder, 2 * longest)
    end
end

return pack('<BI7I6', refused and 1 or 0, now_us, leased) .. counters

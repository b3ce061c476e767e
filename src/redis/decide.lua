-- Decides what a worker asks in one turn of its event loop: is the record still
-- the one the gateway knows, may it be used now, does the cost fit every
-- window?  Counts it in all windows or in none.  See core/record.h and
-- core/limit.h for what is stored.
--
-- Questions about the same record and counters form a group, which is decided
-- in order on one read and one write.
--
-- KEYS     for each group its record and then what holds the counters, if not
--          the record; or only the latter.  It may be the record of the first
--          key of a family
-- ARGV[1]  packed, little-endian: the mark of the first group (4), then for
--          each group
--            its keys (1): 0 the record, 1 and what holds the counters, 2 only
--              that
--            its rule (1): 0 usual, 1 charge: any rev, and count even what
--              doesn't fit, 2 lease: the last question wants more
--            its meter (1), 0 for none
--            not before (5), until (5)
--            of the first run of questions with the same cost, the cost (6) and
--              their number (1)
--            the number of further runs (1)
--            the rev that the gateway knows, "" for none: its length (1), the
--              bytes
--            the further runs
--            of a lease, how much more to count, as far as an eighth of what is
--              left goes (6)
-- ARGV[n]  meter n - 1, packed: its kind (1), 0 fixed windows, 1 sliding; the
--          field of the counters: its length (1), the bytes; for each window
--          its limit (6) and seconds (4)
--
-- Answers a list or, of one group, its only element: if the rev is another, the
-- whole record, its name, and packed the mark (4) and the time in microseconds
-- (7), or only these two if there is no record; or an error; else a string,
-- packed: the mark (4), 0 decided or 1 out of its time (1), the time in
-- microseconds (7), what is leased (6), how many passed of the first run (1);
-- if decided and there is a meter, how many passed of each further run (1),
-- and the counters.
--
-- No function has upvalues: they would be made anew for every call.


-- What is used of a window.

local function used(sliding, now_us, start, seconds, current, previous)
    if sliding and previous > 0 then
        local left = (start + seconds) * 1000000 - now_us
        current = current + math.ceil(previous * left / (seconds * 1000000))
    end

    return current
end


-- The counters as they are now, and what is left of the window that has the
-- least; what else is stored and still counts is kept, before the counter of
-- that number.

local function align(stored, meter, asked, sliding, now_us, used)
    local unpack, now = struct.unpack, math.floor(now_us / 1000000)
    local size, place, nth, most = stored and #stored or 0, 1, 1, 24
    local found = { kept = {}, fresh = not stored, ahead = false }
    local room = math.huge

    -- both lists are in the order of their seconds
    while true do
        local limit, seconds, s, start, current, previous, next

        if asked < #meter then
            limit, seconds, asked = unpack('<I6I4', meter, asked)
        end

        found.kept[nth] = ''

        while place < size do
            s, start, current, previous, next =
                unpack('<I4I5I6I6', stored, place)

            if seconds and s >= seconds then
                break
            end

            if most > 0 and start + 2 * s > now then
                found.kept[nth] = found.kept[nth]
                                  .. stored:sub(place, next - 1)
                found.longest = s
                most = most - 1
            end

            place, s = next, nil
        end

        if not seconds then
            return found, room
        end

        local begins = now - now % seconds

        if s ~= seconds then
            current, previous = 0, 0
            found.fresh = true

        else
            place = next

            if start < begins then
                previous = start == begins - seconds and current or 0
                current = 0
                found.fresh = true

            elseif start > begins then
                found.ahead = true
            end
        end

        found[nth] = { seconds, begins, current, previous }
        found.longest = seconds
        room = math.min(room, limit - used(sliding, now_us, begins, seconds,
                                           current, previous))
        nth = nth + 1
    end
end


-- With what has been added: the counters, and the same with what is kept.

local function pack_found(found, add)
    local own, all = '', found.kept[1]

    for i, c in ipairs(found) do
        local packed = struct.pack('<I4I5I6I6', c[1], c[2],
                                   math.min(c[3] + add, 281474976710655), c[4])
        own = own .. packed
        all = all .. packed .. found.kept[i + 1]
    end

    return own, all
end


local pcall, pack, unpack = redis.pcall, struct.pack, struct.unpack
local CHARGE, LEASE = 1, 2

local questions = ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_us = now * 1000000 + time[2]
local mark, at = unpack('<I4', questions)
local key, answers, answer = 1

-- of the meter of the group before: where its windows are, and the first two
local nth, text, sliding, field, place = 0
local limit1, seconds1, limit2, seconds2

repeat
    local keys, rule, meter, from, till, cost, count, more, known

    keys, rule, meter, from, till, cost, count, more, known, at =
        unpack('<BBBI5I5I6BBBc0', questions, at)

    local runs, want = at, 0
    at = at + 7 * more

    if rule == LEASE then
        want, at = unpack('<I6', questions, at)
    end

    if meter > 0 and meter ~= nth then
        nth, text = meter, ARGV[meter + 1]
        sliding, field, place = unpack('<BBc0', text)
        sliding = sliding == 1

        if #text == place + 19 then
            limit1, seconds1, limit2, seconds2 =
                unpack('<I6I4I6I4', text, place)
        else
            limit1, seconds1 = unpack('<I6I4', text, place)
            seconds2 = nil
        end
    end

    local record, got, stored = KEYS[key]
    local holder = record
    key = key + 1

    if keys == 1 then
        holder = KEYS[key]
        key = key + 1
    end

    repeat
        if keys ~= 2 then
            if keys == 0 and meter > 0 then
                got = pcall('HMGET', record, 'rev', field)
                stored = got[2]
            else
                got = pcall('HMGET', record, 'rev')
            end

            local rev = got[1]

            if rev ~= known and not (rev and rule == CHARGE) then

                if not got.err then
                    -- without a rev these are the counters that a deleted
                    -- record has left
                    got = rev and pcall('HGETALL', record) or {}
                    got[#got + 1] = record
                    got[#got + 1] = pack('<I4I7', mark, now_us)
                end

                answer = got
                break
            end
        end

        if now < from or now >= till then
            answer = pack('<I4BI7I6B', mark, 1, now_us, 0, 0)
            break
        end

        if meter == 0 then
            answer = pack('<I4BI7I6B', mark, 0, now_us, 0, count)
            break
        end

        if keys ~= 0 then
            stored = pcall('HGET', holder, field)

            if type(stored) == 'table' then
                answer = stored
                break
            end
        end

        -- usually the one or two windows of the meter are stored, and open

        local s1, start1, c1, p1, s2, start2, c2, p2, found, room
        local size = stored and #stored
        local usual = false

        if rule == CHARGE then
            -- it may be more than a counter holds

        elseif size == 42 and seconds2 then
            s1, start1, c1, p1, s2, start2, c2, p2 =
                unpack('<I4I5I6I6I4I5I6I6', stored)
            usual = s1 == seconds1 and start1 == now - now % s1
                    and s2 == seconds2 and start2 == now - now % s2

        elseif size == 21 and #text == place + 9 then
            s1, start1, c1, p1 = unpack('<I4I5I6I6', stored)
            usual = s1 == seconds1 and start1 == now - now % s1
        end

        if usual then
            room = limit1 - c1

            if sliding then
                room = limit1 - used(true, now_us, start1, s1, c1, p1)
            end

            if s2 then
                local left = limit2 - c2

                if sliding then
                    left = limit2 - used(true, now_us, start2, s2, c2, p2)
                end

                if left < room then
                    room = left
                end
            end

        elseif size and size % 21 ~= 0 then
            answer = { err = 'ERR malformed counters' }
            break

        else
            found, room = align(stored, text, place, sliding, now_us, used)
        end

        local passed, others, leased, add, run = nil, '', 0, 0, 0

        repeat
            local fit = count

            if cost * count > room and cost > 0 and rule ~= CHARGE then
                fit = room > 0 and math.floor(room / cost) or 0
            end

            room = room - cost * fit
            add = add + cost * fit

            if run == more and want > 0 and fit == count and room >= 8 then
                leased = math.min(want, math.floor(room / 8))
                add = add + leased
            end

            if run == 0 then
                passed = fit
            else
                others = others .. string.char(fit)
            end

            if run < more then
                cost, count, runs = unpack('<I6B', questions, runs)
            end

            run = run + 1
        until run > more

        local counters, value = stored

        if found then
            counters, value = pack_found(found, add)

        elseif add == 0 then
            -- as they are

        elseif s2 then
            counters = pack('<I4I5I6I6I4I5I6I6', s1, start1, c1 + add, p1,
                            s2, start2, c2 + add, p2)
        else
            counters = pack('<I4I5I6I6', s1, start1, c1 + add, p1)
        end

        if add > 0 or found and found.ahead then
            got = pcall('HSET', holder, field, value or counters)

            if type(got) == 'table' then
                answer = got
                break
            end

            -- a record doesn't expire, nor what its family has used
            if found and found.fresh and keys ~= 0
               and not pcall('HGET', holder, 'rev')
            then
                pcall('EXPIRE', holder, 2 * found.longest)
            end
        end

        answer = pack('<I4BI7I6B', mark, 0, now_us, leased, passed)
                 .. others .. counters
    until true

    mark = mark + 1

    if answers then
        answers[#answers + 1] = answer

    elseif at <= #questions then
        answers = { answer }
    end
until at > #questions

return answers or answer

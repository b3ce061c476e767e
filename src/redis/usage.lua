-- Adds to what is counted of the use of keys, each on a day, while the key has
-- a record or is known as deleted, and finds what is worth telling of.  See
-- core/usage.h for what is stored.
--
-- KEYS     for each key its record and the counts of its day
-- ARGV[1]  for how many seconds counts are kept
-- ARGV[2]  what is counted of the first key, see apikey_tally_pack(); and so on
--
-- Answers 1 if all were counted and there is nothing to tell; else for each key
-- 0 if it has no record, 1 if there is nothing to tell, why it couldn't be
-- counted, or its id, name, org and project and then a list for each event: its
-- type, names and values of its details.

local call, pack, unpack, words = redis.call, struct.pack, struct.unpack, unpack

local LABELS, PAST, COUNTRIES = 100, 7, 400
local ERROR_REQUESTS, ERROR_SHARE, ERROR_TOLD = 50, 0.2, 24
local UNUSUAL_DAYS, UNUSUAL_TIMES, UNUSUAL_REQUESTS = 3, 5, 100
local YEAR = 366 * 86400

local ADDED = '<I5I7I5I5I5I5I5I5I5I3BI2BBc0'
local NUMBERS = '<I5I7I5I5I5I5I5I5I5I3I4BI3I3'
local SIZE = struct.size(NUMBERS)

local kept = ARGV[1]
local events = {}


local function past_of(day)
    return string.sub(day, 1, -10), string.sub(day, -8)
end


-- Marks are numbers that grow: what comes late is no news.

local function tell(day, mark, what, kind, ...)
    local past = past_of(day)
    local told = call('HGET', past, 't' .. what)

    if not told or tonumber(told) < mark then
        call('HSET', past, 't' .. what, string.format('%.0f', mark))
        events[#events + 1] = { kind, ... }
    end
end


local function tell_window(day, kind, window, amount)
    local seconds, ends, limit = unpack('<I4I5I6', window)

    -- seconds would be told of without end
    tell(day, seconds < 60 and ends - ends % 60 or ends,
        kind .. ':' .. seconds, kind, 'window', tostring(seconds),
        'limit', string.format('%.0f', limit),
        'used', string.format('%.0f', amount),
        'reset', string.format('%.0f', ends))
end


local function notice(day, what, amount, used)
    local kind, window = string.sub(what, 1, 1), string.sub(what, 2)
    local date, address = tonumber(string.sub(day, -8)), string.sub(used, 12)

    if kind == 'n' then
        tell_window(day, 'near_limit', window, amount)

    elseif kind == 'l' then
        tell_window(day, 'limit_reached', window, amount)

    elseif kind == 'e' then
        tell(day, date, 'expired_used', 'expired_used', 'address', address)

    else
        tell(day, date, 'revoked_used', 'revoked_used', 'status',
            kind == 'd' and 'disabled' or 'revoked', 'address', address)
    end
end


-- What is counted of a day before its first request, with the average of the
-- days of use before it.

local function begin(day)
    local past, date = past_of(day)
    local state = call('HMGET', past, 'day', 'past')
    local latest, list, average = state[1], state[2] or '', 0

    if not latest or latest < date then
        local days, sum = {}, 0

        if latest then
            -- another day of this key, so in the same slot of a cluster
            local numbers = redis.pcall('HGET', past .. ':' .. latest, 'n')
            local requests = type(numbers) == 'string' and #numbers == SIZE
                             and unpack('<I5', numbers) or 0

            list = list .. ' ' .. string.format('%.0f', requests)
        end

        for n in string.gmatch(list, '%d+') do
            days[#days + 1] = n
        end

        while #days > PAST do
            table.remove(days, 1)
        end

        for _, n in ipairs(days) do
            sum = sum + n
        end

        if #days >= UNUSUAL_DAYS then
            average = math.min(math.ceil(sum / #days), 4294967295)
        end

        call('HSET', past, 'day', date, 'past', table.concat(days, ' '))
        call('EXPIRE', past, kept + YEAR)
    end

    local numbers = pack(NUMBERS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, average, 0, 0,
                         0)

    call('HSET', day, 'n', numbers)
    call('EXPIRE', day, kept)

    return numbers
end


local function see_country(day, label, used)
    local past, date = past_of(day)
    local state = call('HMGET', past, 'since', label)
    local since = state[1]

    if state[2] or call('HLEN', past) >= COUNTRIES then
        return
    end

    call('HSET', past, label, date, 'since', since or date)

    if since and since < date then
        events[#events + 1] = { 'new_country', 'country',
            string.sub(label, 2), 'address', string.sub(used, 12) }
    end
end


-- A field that isn't there yet, if it may be.

local function admit(day, name, used)
    local kind = string.sub(name, 1, 1)

    if kind ~= 'e' and kind ~= 'c' then
        return true
    end

    local labels = tonumber(call('HGET', day, '#' .. kind) or 0)

    if labels >= LABELS then
        return false
    end

    if kind == 'c' then
        see_country(day, name, used)
    end

    call('HSET', day, '#' .. kind, labels + 1)
    return true
end


-- Numbers of another size are none.

local function add(before, amount)
    return pack('<I5', before and #before == 5 and unpack('<I5', before)
                       + amount or amount)
end


local function count_other(day, name, amount)
    local other = string.sub(name, 1, 1) .. 'other'

    call('HSET', day, other, add(call('HGET', day, other), amount))
end


-- Was it deleted, having been used?

local function gone(day)
    return call('HGET', past_of(day), 'gone')
end


-- Is there a record?  Then its last use is this, unless a later one is known.

local function use(record, used)
    local known = call('HMGET', record, 'rev', 'used')

    if known[1] and string.sub(known[2] or '', 1, 10) <= used then
        call('HSET', record, 'used', used)
    end

    return known[1]
end


-- The same, if there was a record when the day began.

local function use_again(record, used)
    if call('HSET', record, 'used', used) == 0
        or call('HGET', record, 'rev')
    then
        return true
    end

    call('HDEL', record, 'used')
    return false
end


local function add_latencies(before, added)
    local sums, at = {}, 1

    if #before < #added then
        before, added = added, before
    end

    while at <= #added do
        sums[#sums + 1] = pack('<I5', unpack('<I5', before, at)
                                      + unpack('<I5', added, at))
        at = at + 5
    end

    return table.concat(sums) .. string.sub(before, at)
end


-- These are for each key the same tables: they needn't be made anew.

local names, amounts, set = { 'n' }, {}, { 'n' }


-- Errors in this hour, or in what came with others of it.

local function watch(day, last, requests, wrong, this_hour, hour, passed,
                     errors)
    if hour ~= this_hour then
        hour, passed, errors = this_hour, 0, 0
    end

    for i = 2, last do
        if string.byte(names[i]) == 100 then                -- d
            passed = passed - amounts[i]
        end
    end

    passed = passed + requests
    errors = errors + wrong

    while passed > 16777215 or errors > 16777215 do
        -- the rate stays as it is
        passed, errors = math.floor(passed / 2), math.floor(errors / 2)
    end

    if passed >= ERROR_REQUESTS and errors >= passed * ERROR_SHARE then
        tell(day, tonumber(string.sub(day, -8)), 'high_error_rate',
            'high_error_rate', 'requests', tostring(passed),
            'errors', tostring(errors))
        hour = ERROR_TOLD
    end

    return hour, passed, errors
end


-- All but the first of these fields; returns the length of set.

local function add_fields(day, last, had, used)
    local size = 2

    for i = 2, last do
        local name, amount, before = names[i], amounts[i], had[i]

        if name == 'eother' or name == 'cother'
            or not before and not admit(day, name, used)
        then
            count_other(day, name, amount)

        else
            set[size + 1] = name

            if name ~= 'l' then
                set[size + 2] = add(before, amount)

            else
                set[size + 2] = before and #before % 5 == 0
                    and add_latencies(before, amount) or amount
            end

            size = size + 2
        end
    end

    return size
end


local function told(record)
    local answer = call('HMGET', record, 'id', 'name', 'org', 'project')

    if not answer[1] then
        events = {}
        return 1
    end

    for _, event in ipairs(events) do
        answer[#answer + 1] = event
    end

    events = {}

    return answer
end


local function count(record, day, tally)
    local requests, bytes, wrong, fine, l0, l1, l2, l3, l4, second, late,
          labels, slow, used, at = unpack(ADDED, tally)
    local last = labels + 1

    for i = 2, last do
        names[i], amounts[i], at = unpack('<Bc0I5', tally, at)
    end

    if slow ~= 0 then
        last = last + 1
        names[last] = 'l'
        amounts[last] = string.sub(tally, at, at + 5 * slow - 1)
        at = at + 5 * slow
    end

    local had = call('HMGET', day, words(names, 1, last))
    local numbers = had[1]

    if not numbers or #numbers ~= SIZE then
        if not use(record, used) and not gone(day) then
            return 0
        end

        had[1] = nil
        numbers = begin(day)
    end

    local n, b, x, f, m0, m1, m2, m3, m4, latest, average, hour, passed, errors
        = unpack(NUMBERS, numbers)

    if had[1] and late ~= 0 then
        if not use(record, used) and not gone(day) then
            return 0
        end

    elseif had[1] and second > latest and not use_again(record, used)
           and not gone(day)
    then
        return 0
    end

    n = n + requests

    if average ~= 0 and n >= UNUSUAL_REQUESTS and n > UNUSUAL_TIMES * average
    then
        events[1] = { 'unusual_use', 'requests', string.format('%.0f', n),
                      'average', string.format('%.0f', average) }
        average = 0
    end

    local this_hour = (second - second % 3600) / 3600

    if hour ~= ERROR_TOLD and (wrong ~= 0 or errors ~= 0 and hour == this_hour)
    then
        hour, passed, errors = watch(day, last, requests, wrong, this_hour,
                                     hour, passed, errors)
    end

    set[2] = pack(NUMBERS, n, b + bytes, x + wrong, f + fine, m0 + l0, m1 + l1,
        m2 + l2, m3 + l3, m4 + l4, second > latest and second or latest,
        average, hour, passed, errors)

    call('HSET', day, words(set, 1, add_fields(day, last, had, used)))

    while at <= #tally do
        local what, amount
        what, amount, at = unpack('<Bc0I6', tally, at)
        notice(day, what, amount, used)
    end

    return #events == 0 and 1 or told(record)
end


-- Some versions of Redis give more than the error, others a table of it.

local function failure(what)
    local text = type(what) == 'table' and what.err or what

    events = {}

    return { err = string.match(text, '^%u+ %C+')
                   or string.match(text, ' %-(%u+ %C+)')
                   or 'ERR ' .. string.match(text, '%C+') }
end


local answers, quiet = {}, true

for i = 1, #KEYS, 2 do
    local ok, answer = pcall(count, KEYS[i], KEYS[i + 1], ARGV[(i + 3) / 2])

    if not ok then
        answer = failure(answer)
    end

    answers[#answers + 1] = answer
    quiet = quiet and answer == 1
end

return quiet and 1 or answers

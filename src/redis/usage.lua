-- Adds to what is counted of a key's use on a day, while the key has a record,
-- and finds what is worth telling of.  See core/usage.h for what is stored.
--
-- KEYS[1]  the record
-- KEYS[2]  what is known of the key's past
-- KEYS[3]  the counts of the day
-- ARGV[1]  the day, YYYYMMDD
-- ARGV[2]  for how many seconds counts are kept
-- ARGV[3]  the last use: Unix seconds, a space, the address
-- ARGV[4]  what is counted, see apikey_tally_pack(); the requests first
--
-- Answers 0 if there is no record, 1 if there is nothing to tell, else id,
-- name, org and project of the key and then a list for each event: its type,
-- names and values of its details.

local LABELS, PAST, COUNTRIES = 100, 7, 400
local ERROR_REQUESTS, ERROR_SHARE = 50, 0.2
local UNUSUAL_DAYS, UNUSUAL_TIMES, UNUSUAL_REQUESTS = 3, 5, 100
local YEAR = 366 * 86400

local call, used = redis.call, ARGV[3]
local known = call('HMGET', KEYS[1], 'rev', 'used')

if not known[1] then
    return 0
end

local names, added, notices = cmsgpack.unpack(ARGV[4])
local had = call('HMGET', KEYS[3], unpack(names))

if string.sub(known[2] or '', 1, 10) <= used then
    call('HSET', KEYS[1], 'used', used)
end

-- Mostly nothing is new: the same fields as before, and nothing to tell.

local average, hour, passed, errors = 0, 0, 0, 0

if had[1] then
    average, hour, passed, errors = struct.unpack('<I6BI4I4', had[1])
end

local this_hour = math.floor(string.sub(used, 1, 10) % 86400 / 3600)
local usual = had[2] and #notices == 0 and (errors == 0 or hour ~= this_hour)
local set = {}

for i = 2, #names do
    local before = had[i]

    if not before or names[i] == 'x' then
        usual = false
        break
    end

    set[2 * i - 3] = names[i]
    set[2 * i - 2] = before + added[i]
end

if usual and (average == 0 or set[2] < UNUSUAL_REQUESTS
              or set[2] <= UNUSUAL_TIMES * average)
then
    call('HSET', KEYS[3], unpack(set))
    return 1
end

local day, kept = ARGV[1], ARGV[2]
local fresh = not had[1]
local events = {}

-- Marks are numbers that grow: what comes late is no news.

local function tell(mark, what, kind, ...)
    local told = call('HGET', KEYS[2], 't' .. what)

    if not told or tonumber(told) < mark then
        call('HSET', KEYS[2], 't' .. what, string.format('%.0f', mark))
        events[#events + 1] = { kind, ... }
    end
end

local function tell_window(kind, window, amount)
    local seconds, ends, limit = struct.unpack('<I4I5I6', window)

    -- seconds would be told of without end
    tell(seconds < 60 and ends - ends % 60 or ends,
        kind .. ':' .. seconds, kind, 'window', tostring(seconds),
        'limit', string.format('%.0f', limit),
        'used', string.format('%.0f', amount),
        'reset', string.format('%.0f', ends))
end

-- The first use on a day: the average of the days of use before it.

local function begin()
    local state = call('HMGET', KEYS[2], 'day', 'past')
    local latest, past = state[1], state[2] or ''

    if latest and latest >= day then
        return 0
    end

    if latest then
        -- another day of this key, so in the same slot of a cluster
        local n = call('HGET', string.sub(KEYS[3], 1, -9) .. latest, 'n')
        past = past .. ' ' .. (n or 0)
    end

    local days, sum = {}, 0

    for n in string.gmatch(past, '%d+') do
        days[#days + 1] = n
    end

    while #days > PAST do
        table.remove(days, 1)
    end

    for _, n in ipairs(days) do
        sum = sum + n
    end

    call('HSET', KEYS[2], 'day', day, 'past', table.concat(days, ' '))
    call('EXPIRE', KEYS[2], kept + YEAR)

    return #days < UNUSUAL_DAYS and 0 or math.ceil(sum / #days)
end

local function see_country(label)
    local state = call('HMGET', KEYS[2], 'since', label)
    local since = state[1]

    if state[2] or call('HLEN', KEYS[2]) >= COUNTRIES then
        return
    end

    call('HSET', KEYS[2], label, day, 'since', since or day)

    if since and since < day then
        events[#events + 1] = { 'new_country', 'country',
            string.sub(label, 2), 'address', string.sub(used, 12) }
    end
end

if fresh then
    average = begin()
end

-- Counts; a label that is one too many is another.

local others, labels, wrong, denied = {}, {}, 0, 0

set = {}

for i = 2, #names do
    local name, before, amount = names[i], had[i], added[i]
    local kind = string.byte(name)

    if kind == 100 then                             -- d
        denied = denied + amount

    elseif kind == 120 then                         -- x
        wrong = amount

    elseif (kind == 101 or kind == 99) then         -- e, c
        local first = string.char(kind)
        local number = '#' .. first

        if not before and not labels[number] then
            labels[number] = tonumber(call('HGET', KEYS[3], number) or 0)
        end

        if name == first .. 'other'
            or not before and labels[number] >= LABELS
        then
            name = nil
            others[first] = (others[first] or 0) + amount

        elseif not before then
            labels[number] = labels[number] + 1

            if kind == 99 then
                see_country(name)
            end
        end
    end

    if name then
        set[#set + 1] = name
        set[#set + 1] = (before or 0) + amount
    end
end

for first, amount in pairs(others) do
    local name = first .. 'other'
    set[#set + 1] = name
    set[#set + 1] = (call('HGET', KEYS[3], name) or 0) + amount
end

for number, count in pairs(labels) do
    set[#set + 1] = number
    set[#set + 1] = count
end

-- Alerts.

local requests, watched = set[2], fresh

if average > 0 and requests >= UNUSUAL_REQUESTS
    and requests > UNUSUAL_TIMES * average
then
    events[#events + 1] = { 'unusual_use', 'requests',
        string.format('%.0f', requests), 'average',
        string.format('%.0f', average) }
    average, watched = 0, true
end

if wrong > 0 or errors > 0 and hour == this_hour then
    if hour ~= this_hour then
        hour, passed, errors = this_hour, 0, 0
    end

    passed = math.min(passed + added[2] - denied, 4294967295)
    errors = math.min(errors + wrong, 4294967295)
    watched = true

    if passed >= ERROR_REQUESTS and errors >= passed * ERROR_SHARE then
        tell(tonumber(day), 'high_error_rate', 'high_error_rate',
            'requests', tostring(passed), 'errors', tostring(errors))
    end
end

for i = 1, #notices, 2 do
    local kind, window = string.sub(notices[i], 1, 1), string.sub(notices[i], 2)
    local address = string.sub(used, 12)

    if kind == 'n' then
        tell_window('near_limit', window, notices[i + 1])

    elseif kind == 'l' then
        tell_window('limit_reached', window, notices[i + 1])

    elseif kind == 'e' then
        tell(tonumber(day), 'expired_used', 'expired_used',
            'address', address)

    else
        tell(tonumber(day), 'revoked_used', 'revoked_used', 'status',
            kind == 'd' and 'disabled' or 'revoked', 'address', address)
    end
end

-- Written.

if watched then
    set[#set + 1] = 'w'
    set[#set + 1] = struct.pack('<I6BI4I4', average, hour, passed, errors)
end

call('HSET', KEYS[3], unpack(set))

if fresh then
    call('EXPIRE', KEYS[3], kept)
end

if #events == 0 then
    return 1
end

local key = call('HMGET', KEYS[1], 'id', 'name', 'org', 'project')

for _, event in ipairs(events) do
    key[#key + 1] = event
end

return key

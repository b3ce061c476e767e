-- What wrk sends: requests that rotate through the keys of a file.
--
--   wrk ... -s keys.lua URL -- FILE

local keys, at = {}, 0


function init(args)
   for key in io.lines(args[1]) do
      keys[#keys + 1] = key
   end

   head = 'GET ' .. wrk.path .. ' HTTP/1.1\r\nHost: api.example\r\nX-API-Key: '
   tail = '\r\n\r\n'
end


function request()
   at = at % #keys + 1
   return head .. keys[at] .. tail
end


function done(summary, latency)
   local e = summary.errors

   io.write(string.format('\nRESULT %d %d %d %d %d %d\n', summary.requests,
      summary.duration, latency:percentile(50), latency:percentile(99),
      e.connect + e.read + e.write + e.timeout, e.status))
end

-- Decides a request as a careful author would in Lua: a keyed hash of the key,
-- one EVALSHA on a pooled connection, no table or string that can be avoided.
-- What is stored of a key: see populate() in stage.py.

local redis = require "nginx.redis"

local ngx, floor, tonumber = ngx, math.floor, tonumber
local find, format, match, sub = string.find, string.format, string.match,
                                 string.sub
local hmac_sha1, base64 = ngx.hmac_sha1, ngx.encode_base64

local action = {
   GET = "read", HEAD = "read", OPTIONS = "read", POST = "write",
   PUT = "write", PATCH = "write", DELETE = "delete"
}

local gateway = {}
local script, sha, address, pepper


function gateway.init(path, redis_address, pepper_text)
   local file = assert(io.open(path))

   script = file:read("*a")
   file:close()

   sha = ngx.sha1_bin(script):gsub(".", function(c)
      return format("%02x", c:byte())
   end)

   -- unix:PATH or HOST:PORT
   address = { redis_address }

   if sub(redis_address, 1, 5) ~= "unix:" then
      address = { match(redis_address, "^(.*):(%d+)$") }
   end

   pepper = pepper_text
end


local function refuse(status, message)
   ngx.status = status
   ngx.header["Content-Type"] = "application/json"
   ngx.header["Cache-Control"] = "no-store"

   if status == 401 then
      ngx.header["WWW-Authenticate"] = 'ApiKey realm="api"'
   end

   ngx.print('{"statusCode":', status, ',"message":"', message, '"}')

   return ngx.exit(status)
end


local function decide(digest, now)
   local connection = redis:new()
   connection:set_timeout(100)

   local ok, err = connection:connect(address[1], address[2])
   if not ok then
      return nil, err
   end

   local answer
   answer, err = connection:evalsha(sha, 1, digest, now)

   if not answer and err and sub(err, 1, 8) == "NOSCRIPT" then
      answer, err = connection:eval(script, 1, digest, now)
   end

   if not answer then
      return nil, err
   end

   connection:set_keepalive(60000, 1024)

   return answer
end


function gateway.check(resource)
   local key = ngx.var.http_x_api_key

   if not key or key == "" then
      return refuse(401, "Missing API key")
   end

   local now = ngx.time()
   local answer, err = decide("lua:{" .. base64(hmac_sha1(pepper, key)) .. "}",
                              now)

   if not answer then
      ngx.log(ngx.ERR, "redis: ", err)
      return refuse(503, "API key service unavailable")
   end

   if answer == "invalid" then
      return refuse(401, "Invalid API key")
   end

   local verdict, limit, remaining, seconds, id, scopes =
      match(answer, "^(%u) (%d+) (%-?%d+) (%d+) (%S+) (.*)$")

   local scope = resource .. ":" .. (action[ngx.req.get_method()] or "*")

   if not find(" " .. scopes .. " ", " " .. scope .. " ", 1, true) then
      return refuse(403, "Insufficient permissions")
   end

   local reset = (floor(now / seconds) + 1) * seconds

   ngx.header["X-RateLimit-Limit"] = limit
   ngx.header["X-RateLimit-Remaining"] = remaining
   ngx.header["X-RateLimit-Reset"] = reset

   if verdict == "L" then
      ngx.header["Retry-After"] = reset - now
      return refuse(429, "Rate limit exceeded")
   end

   ngx.var.consumer = id
end


return gateway

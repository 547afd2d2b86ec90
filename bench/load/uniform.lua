-- Requests uniformly at random over a set that is stored.
-- Arguments: bytes of each object, the number of the first object, how many there are, a seed.
local before, after, first, last

function init(arguments)
    first = tonumber(arguments[2])
    last = first + tonumber(arguments[3]) - 1
    math.randomseed(tonumber(arguments[4]))
    before = "GET /o/" .. arguments[1] .. "/"
    after = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
end

function request()
    return before .. string.format("%d", math.random(first, last)) .. after
end

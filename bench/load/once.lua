-- Each request for another object, none asked for before.
-- Arguments: bytes of each object, the number of the first object.
local before, after, next_number

function init(arguments)
    next_number = tonumber(arguments[2])
    before = "GET /o/" .. arguments[1] .. "/"
    after = " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port .. "\r\n\r\n"
end

function request()
    local number = next_number
    next_number = number + 1
    return before .. string.format("%d", number) .. after
end

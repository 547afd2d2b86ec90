-- One object through a forward proxy, over and over, by an absolute-form target.
-- Argument: the number of the object.
local text

function init(arguments)
    text = "GET http://tape.test/o/" .. arguments[1] .. " HTTP/1.1\r\nHost: tape.test\r\n\r\n"
end

function request()
    return text
end

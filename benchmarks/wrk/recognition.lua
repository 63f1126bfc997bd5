-- Recognitions by many people. Arguments: the file of the people ("id token" in each line), the receiver, the core value.

dofile("benchmarks/wrk/read.lua")
local people, number, body = {}, 0, ""

function init(arguments)
    for line in io.lines(arguments[1]) do
        local id, token = line:match("(%S+) (%S+)")
        people[#people + 1] = {
            ["Authorization"] = "Bearer " .. token, ["X-User"] = id, ["Content-Type"] = "application/json"
        }
    end
    body = string.format(
        '{"given_for": %s, "core_value_id": %s, "text": "Thank you for the night shift"}', arguments[2], arguments[3]
    )
end

function request()
    number = number + 1
    return wrk.format("POST", "/recognitions", people[number % #people + 1], body)
end

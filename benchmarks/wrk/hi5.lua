-- Hi5s of many people, each on another recognition and with a key of its own.
-- Arguments: the file of the people ("id token" in each line), the first number, the first recognition, how many there are.

dofile("benchmarks/wrk/read.lua")
local people, number, first, count = {}, 0, 0, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local id, token = line:match("(%S+) (%S+)")
        people[#people + 1] = {
            ["Authorization"] = "Bearer " .. token, ["X-User"] = id, ["Content-Type"] = "application/json"
        }
    end
    number, first, count = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[4])
end

function request()
    number = number + 1
    local headers = people[(number + math.floor(number / count)) % #people + 1]
    headers["Idempotency-Key"] = "bench-" .. number
    return wrk.format("POST", "/recognitions/" .. (first + number % count) .. "/hi5", headers, '{"comment": "So true"}')
end

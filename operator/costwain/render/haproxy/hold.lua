-- Keeps the queue of every backend open while it has no pod.
--
-- HAProxy answers 503 at once where a backend has no server that is up. So each backend has a permanent server
-- `hold` with one slot, and a task here takes that slot with a request that never ends: the server is up and never
-- free, and a request that finds no pod waits in the backend's own queue until a pod is added.
-- Arguments: the socket of the `fill` frontend, then the names of the backends.
local socket_path = ...
local REOPEN_AFTER_S <const> = 20 * 24 * 3600

local function occupy_slot(backend)
    local connection = core.tcp()
    connection:settimeout(REOPEN_AFTER_S)
    if connection:connect("unix@" .. socket_path) then
        connection:send("GET /fill/" .. backend .. " HTTP/1.1\r\nhost: hold\r\n\r\n")
        connection:receive("*l") -- comes back only when the slot was lost
    end
    connection:close()
end

for _, backend in ipairs({ select(2, ...) }) do
    core.register_task(function()
        while true do
            occupy_slot(backend)
            core.msleep(10)
        end
    end)
end

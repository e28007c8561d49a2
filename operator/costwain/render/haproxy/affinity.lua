-- Sends what shares a prefix to the same pod, unless that pod carries too much of the load.
--
-- Weighted rendezvous hashing over the pods that are up: every gateway replica chooses the same pod without shared
-- state, and a pod that comes or goes moves only its own keys. A pod is eligible while it has a free slot and is
-- used at most FACTOR times as much as the mean, or below FLOOR of its slots. If none is, nothing is chosen:
-- leastconn and the backend's one queue decide. `pod_for` is what route.lua calls.
-- Arguments: FACTOR, FLOOR.
local FACTOR <const>, FLOOR <const> = tonumber((...)), tonumber((select(2, ...)))
local REFRESH_MS <const> = 1000 -- maint and limit changes raise no event before 2.9

local pods_of = {} -- by backend; emptied when they may have changed

local function text_hash(text)
    local hash = 5381
    for index = 1, #text do
        hash = hash * 33 + text:byte(index)
    end
    return hash
end

-- A number in (0, 1) that depends on every bit of the input (the finaliser of splitmix64).
local function uniform(bits)
    bits = (bits ~ (bits >> 30)) * 0xbf58476d1ce4e5b9
    bits = (bits ~ (bits >> 27)) * 0x94d049bb133111eb
    bits = bits ~ (bits >> 31)
    return ((bits >> 11) + 0.5) / (1 << 53)
end

local function pods_up(backend)
    local pods = {}
    for name, server in pairs(backend.servers) do
        local status = name ~= "hold" and name ~= "again" and server:get_stats().status or ""
        if status:find("^UP") or status == "no check" then
            pods[#pods + 1] = { name = name, server = server, seed = text_hash(name), slots = server:get_maxconn() }
        end
    end
    return pods
end

core.event_sub({ "SERVER" }, function()
    pods_of = {}
end)
core.register_task(function()
    while true do
        core.msleep(REFRESH_MS)
        pods_of = {}
    end
end)

-- HAProxy may interrupt this for another request, which then looks itself rather than see half of the pods.
local function pods_now(backend)
    local known = pods_of
    known[backend] = known[backend] or pods_up(core.backends[backend])
    return known[backend]
end

-- The name of the pod that suits a key best, or nil.
function pod_for(backend, key)
    local pods = pods_now(backend)
    if #pods == 0 then
        return nil
    end
    local load, slots = 1, 0 -- the request itself is load
    for _, pod in ipairs(pods) do
        pod.load = pod.server:get_cur_sess()
        load, slots = load + pod.load, slots + pod.slots
    end
    local bound = math.max(FACTOR * load / slots, FLOOR)
    local best, best_score
    for _, pod in ipairs(pods) do
        if pod.load < pod.slots and pod.load < bound * pod.slots then
            local score = -pod.slots / math.log(uniform(key ~ pod.seed))
            if not best_score or score > best_score then
                best, best_score = pod.name, score
            end
        end
    end
    return best
end

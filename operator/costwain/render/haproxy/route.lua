-- Chooses the variant of a conversation, the queue in which its request waits, and the pod if one is free (affinity.lua).
--
-- One call for all of it: what HAProxy prepares for a call costs more than what is done in it. The program map holds one
-- line of cumulative shares in hundredths of a percent, in ladder order: "2500,2500,10000" gives the best variant a
-- quarter, the second nothing, the last the rest. One line, so that a change is atomic.
-- Arguments: the map's file, whether affinity is on, then the ladder, best variant first.
local IS_AFFINE <const> = select(2, ...) == "on"
local ladder = { select(3, ...) }
local program = Map.new((...), Map._str)
local WHOLE <const> = 10000
local AWAIT_STEP_MS <const> = 50
local AWAIT_LIMIT_MS <const> = 30000

local rank_of = {}
for rank, variant in ipairs(ladder) do
    rank_of[variant] = rank
end

local bounds_text, bounds = nil, {}
local function cumulative_shares(text)
    if text ~= bounds_text then
        bounds_text, bounds = text, {}
        for number in text:gmatch("%d+") do
            bounds[#bounds + 1] = tonumber(number)
        end
    end
    return bounds
end

local function rank_by_dice(shares, dice)
    for rank = 1, #ladder do
        if dice < (shares[rank] or 0) then
            return rank
        end
    end
    return nil
end

-- The variant whose share the dice hits, among ranks 1..limit. A conversation that is below the limit already
-- stays where it is without one; the others spread over the allowed variants in proportion to their shares.
local function allowed_rank(shares, dice, limit)
    local rank = rank_by_dice(shares, dice)
    if rank and rank <= limit then
        return rank
    end
    local allowed = shares[limit] or 0
    if allowed == 0 then
        return nil
    end
    return rank_by_dice(shares, (dice - allowed) * allowed // math.max(WHOLE - allowed, 1))
end

-- The lowest rank that a minimum allows; none allows all. Nil where the ladder has no such variant.
local function rank_at(minimum)
    if not minimum or minimum == "" then
        return #ladder
    end
    return rank_of[minimum]
end

-- The nearest variant that takes requests of one whose queue is late, among ranks 1..limit; the better of two. The
-- program's line `spill` has a letter a variant: L is late, T takes. Without one every request stays.
local function spilled_rank(rank, limit)
    local marks = program:lookup("spill")
    if not marks or marks:sub(rank, rank) ~= "L" then
        return rank
    end
    for distance = 1, #ladder do
        for other = rank - distance, rank + distance, 2 * distance do
            if other >= 1 and other <= limit and marks:sub(other, other) == "T" then
                return other
            end
        end
    end
    return rank
end

core.register_action("await", { "http-req" }, function(txn)
    local waited_ms = 0
    while program:lookup("state") == "starting" and waited_ms < AWAIT_LIMIT_MS do
        core.msleep(AWAIT_STEP_MS)
        waited_ms = waited_ms + AWAIT_STEP_MS
    end
    txn:set_var("txn.state", program:lookup("state"))
end)

core.register_action("route", { "http-req" }, function(txn)
    local asked, owed = rank_at(txn:get_var("txn.asked")), rank_at(txn:get_var("txn.minimum"))
    if not asked or not owed then
        -- A tenant's minimum is on the operator's ladder; this HAProxy may still have the one before.
        txn:set_var("txn.refuse", asked and "unknown-minimum" or "unknown-variant")
        return
    end
    local limit = math.min(asked, owed)
    if limit < #ladder then -- routed anew, the request is known by this header alone
        txn.http:req_set_header("x-costwain-min-variant", ladder[limit])
    end
    local shares = cumulative_shares(txn:get_var("txn.shares"))
    local key = txn:get_var("txn.key") or 0 -- an empty body has none
    local dice = (txn:get_var("txn.dice") or key) % WHOLE
    local rank = allowed_rank(shares, dice, limit)
    local own = rank
    rank = rank and spilled_rank(rank, limit)
    if rank ~= own then
        txn:set_var("txn.spilled", ladder[own])
    end
    -- Nobody serves at or above the limit: wait there, apart from those that any variant may serve.
    local backend = (rank and "variant." or "waiting.") .. ladder[rank or limit]
    txn:set_var("txn.backend", backend)
    local pod = IS_AFFINE and pod_for(backend, key)
    if pod then
        txn:set_var("txn.pod", pod)
    end
end)

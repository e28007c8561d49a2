-- Looks into answers where HAProxy's own rules (gateway.cfg) don't see enough.
--
-- Those rules tell when a stream begins and what `usage` says in a whole answer. A filter in Lua costs HAProxy a seventh
-- of its CPU a request, so it is there only for the streams whose tokens are counted and timed one by one, PERCENT of them
-- and the first of each backend, and where whole answers are longer than HAProxy's buffer.
-- The record of the request (observe.cfg) carries what was seen: `txn.prompt` and `txn.completion` are what `usage` says,
-- `txn.count` the events so far that carried a token, and of a stream that came to its end `txn.seen`,
-- "tokens,bytes,gaps_us,bucket:count;...": such events and how many bytes they had, and the time between them, added up
-- and by bucket.
-- Arguments: PERCENT, then the upper bounds of the buckets in seconds.
local PERCENT <const> = tonumber((...))
local USAGE <const>, USAGE_BYTES <const> = '"usage":%s*{', 512 -- unescaped quotes: no text of an answer can hold it
local LONGEST_EVENT <const> = 1 << 20

local LONG_ANSWERS_S <const> = 600 -- one whole answer that is too long makes others likely for so long

local begun = false -- the very first request is looked at; its backend isn't known yet
local met = {} -- by backend that streams: whether one was looked at; the first shows how many bytes a token has
local long_until_s = 0
local bounds_us = {}
for index, bound in ipairs({ select(2, ...) }) do
    bounds_us[index] = tonumber(bound) * 1e6
end

local function now_us()
    local now = core.now()
    return now.sec * 1000000 + now.usec
end

local function is_any_unmet()
    for _, known in pairs(met) do
        if not known then
            return true
        end
    end
    return not begun
end

-- Whether the tokens of a stream are looked at one by one.
local function is_counted()
    return PERCENT > 0 and (math.random() * 100 < PERCENT or is_any_unmet())
end

local function are_answers_long()
    return core.now().sec < long_until_s
end

-- A stream begins whose backend may not have been met.
core.register_action("meet", { "http-res" }, function(txn)
    local backend = txn:get_var("txn.backend") or ""
    met[backend] = met[backend] or false
end)

-- A whole answer ends beyond the buffer, and `usage` is at its end.
core.register_action("expect_long", { "http-res" }, function()
    long_until_s = core.now().sec + LONG_ANSWERS_S
end)

-- Whether an event of a stream carries a token; the first one of a chat says only who speaks.
local function carries_token(event)
    local name = event:match("^event: ([%w_.]+)\n")
    if name then -- /v1/messages and /v1/responses name their events
        return name:sub(-5) == "delta" and name ~= "message_delta"
    end
    return event:sub(1, 7) == "data: {"
        and event:sub(7, 15) ~= '{"error":'
        and not event:find('"choices":[]', 1, true)
        and not event:find('"role":"assistant","content":""', 1, true)
end

local Answer = { id = "answer", flags = filter.FLT_CFG_FL_HTX }
Answer.__index = Answer

function Answer:new()
    local counted = is_counted()
    if counted or are_answers_long() then
        begun = true
        return setmetatable({ counted = counted, rest = "", tokens = 0, bytes = 0, gaps_us = 0, buckets = {} }, Answer)
    end
end

function Answer:http_headers(txn, message)
    if message.channel:is_resp() then
        self.streams = txn.sf:res_hdr("content-type"):find("^text/event%-stream") ~= nil
        if self.streams and self.counted then
            met[txn:get_var("txn.backend") or ""] = true
            filter.register_data_filter(self, message.channel)
        elseif not self.streams and are_answers_long() then
            filter.register_data_filter(self, message.channel)
        end
    end
    return filter.CONTINUE
end

-- What goes wrong in looking must never end an answer, as an error in a filter would.
function Answer:http_payload(txn, message)
    local fine, fault = pcall(self.look, self, txn, message)
    if not fine then
        core.Warning("observe.lua: " .. tostring(fault))
        filter.unregister_data_filter(self, message.channel)
    end
end

function Answer:look(txn, message)
    -- the mark at the end of an answer is input without a body
    local data = message:input() > 0 and message:body()
    if not data then
        return
    end
    if self.streams then
        self:read_events(data)
        txn:set_var("txn.count", self.tokens)
        return
    end
    local text = self.rest .. data
    self:read_usage(text)
    self.rest = text:sub(-USAGE_BYTES - #USAGE)
    self:tell_usage(txn)
end

-- Called at the whole end of an answer.
function Answer:http_end(txn, message)
    if message.channel:is_resp() and self.streams and self.counted then
        local buckets = {}
        for index, count in pairs(self.buckets) do
            buckets[#buckets + 1] = index .. ":" .. count
        end
        local known = { self.tokens, self.bytes, self.gaps_us, table.concat(buckets, ";") }
        txn:set_var("txn.seen", table.concat(known, ","))
        self:tell_usage(txn)
    end
    return filter.CONTINUE
end

function Answer:tell_usage(txn)
    if self.prompt then
        txn:set_var("txn.prompt", tonumber(self.prompt))
    end
    if self.completion then
        txn:set_var("txn.completion", tonumber(self.completion))
    end
end

function Answer:read_events(data)
    local text, from, at_us = self.rest .. data, 1, now_us()
    local stop = text:find("\n\n", from, true)
    while stop do
        self:read_event(text:sub(from, stop), at_us)
        from = stop + 2
        stop = text:find("\n\n", from, true)
    end
    self.rest = #text - from < LONGEST_EVENT and text:sub(from) or ""
end

function Answer:read_event(event, at_us)
    self:read_usage(event)
    if not carries_token(event) then
        return
    end
    self.tokens, self.bytes = self.tokens + 1, self.bytes + #event + 1
    if self.last_us then
        local gap_us, index = at_us - self.last_us, 1
        while bounds_us[index] and gap_us > bounds_us[index] do
            index = index + 1
        end
        self.buckets[index] = (self.buckets[index] or 0) + 1
        self.gaps_us = self.gaps_us + gap_us
    end
    self.last_us = at_us
end

function Answer:read_usage(text)
    local at = text:find(USAGE)
    if at then
        local usage = text:sub(at, at + USAGE_BYTES)
        self.prompt = usage:match('"prompt_tokens":%s*(%d+)') or usage:match('"input_tokens":%s*(%d+)') or self.prompt
        self.completion = usage:match('"completion_tokens":%s*(%d+)')
            or usage:match('"output_tokens":%s*(%d+)')
            or self.completion
    end
end

core.register_filter("answer", Answer, function(class)
    return class
end)

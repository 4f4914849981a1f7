-- The prelude of every write script: read and validate, collect effects, commit.
--
-- Joined in front of a script by scripts.py; a script defines `run()`, and
-- _end.lua calls it. Nothing writes but `commit`, and nothing in `commit` can
-- fail once it has begun: a Redis script that errors keeps what it has written.
--
-- KEYS[1]  {s0421}:a:<account>   all keys of the account begin with it
-- ARGV[1]  time of the request id, 6 octets,  ARGV[4]  now, Unix milliseconds
--          and its name, 12 octets; or ''
-- ARGV[2]  digest of the arguments, 8 octets  ARGV[5]  credential epoch, '' unchecked
-- ARGV[3]  generation id of the platform      ARGV[6]  events to keep
-- ARGV[8]  replid that this server has        ARGV[7]  octets of redo log to keep
-- ARGV[9]  number of that incarnation         ARGV[10…] the script's own
local P = KEYS[1]
local SHARD, ACCOUNT = string.match(P, '^({s%d+}):a:(.+)$')
local REQUEST, DIGEST, GENERATION = ARGV[1], ARGV[2], ARGV[3]
local NOW, EPOCH, RETENTION, LOG_OCTETS = tonumber(ARGV[4]), ARGV[5], ARGV[6], tonumber(ARGV[7])
local OWN = 9
local SEQ_JUMP, UID_JUMP, TWO32 = 1048576, 10000, 4294967296
local MINUTE, HOUR, DAY = 60000, 3600000, 86400000
local REQUEST_TTL, DEDUPE_TTL = 26 * MINUTE, 26 * HOUR
local MOST_GAPS = 64

local COMMANDS = { S = 'SETRANGE', W = 'SET', H = 'HSET', R = 'HDEL', D = 'DEL', Z = 'ZADD', Y = 'ZREM',
                   A = 'SADD', M = 'SREM', P = 'RPUSH', L = 'LSET' }
local effects, transients, flushes = {}, {}, {}
local account, mailboxes, request = {}, {}, {}
local recall -- the reply from what a script has remembered of it; nil: that is the reply

local function refuse(word, text) error({ refuse = word .. ' ' .. (text or '') }, 0) end
local function reply_now(reply) error({ reply = reply }, 0) end
local function int(n) return string.format('%d', n) end
local function u32(n) return struct.pack('<I4', n) end
local function u64(n) return struct.pack('<I8', n) end

-- An effect is one command on one key; it is applied, logged, and replayed as it is.
local function effect(op, key, ...) effects[#effects + 1] = { op, key, ... } end
-- What expires is applied but not logged.
local function transient(...) transients[#transients + 1] = { ... } end

-- What expires a while after its last write has a field '' that says when that was last seen to: a
-- write a moment later leaves it as it is.
local function fades(at, moment) return not at or math.abs(NOW - tonumber(at)) > moment end

-- This server is the one that the store takes it for, so that the number is its incarnation's.
local function begin_incarnation()
  local info = redis.call('INFO', 'replication')
  if not string.find(info, 'master_replid:' .. ARGV[8] .. '\r', 1, true) then
    refuse('INCARNATION', string.match(info, 'master_replid:(%x+)'))
  end
  account.inc = tonumber(ARGV[9])
end

-- The incarnation in a header; what an older format has there, a replid of 40 digits, counts as 0.
local function incarnation_of(field) return #field < 20 and tonumber(field) or 0 end

-- The shard is what this platform left there, and the request is new. Its name is a digest of the request id
-- and KEYS[1], so that each account's step of a request is one of its own.
local function begin_shard()
  begin_incarnation()
  if redis.call('GET', SHARD .. ':gen') ~= GENERATION then refuse('GENERATION', 'index incomplete') end
  if REQUEST ~= '' then
    request.key = SHARD .. ':rq:' .. int(math.floor(struct.unpack('>I6', REQUEST) / 300000))
    request.name = string.sub(REQUEST, 7)
    local known, kept = unpack(redis.call('HMGET', request.key, request.name, ''))
    request.fades = fades(kept, MINUTE)
    if known then
      if string.sub(known, 1, 8) ~= DIGEST then
        refuse('REQUEST_ID', 'the request id was used with other arguments')
      end
      known = string.sub(known, 9)
      reply_now(recall and recall(known) or known)
    end
  end
end

-- Also: the account is there, its session is good, and its numbers are ahead of all that lost writes
-- gave: since the incarnation in its header, each later one may have begun from this very state.
local function begin()
  begin_shard()
  local seq, inc, epoch, gone, uidv = unpack(redis.call('HMGET', P, 'seq', 'inc', 'epoch', 'gone', 'uidv'))
  if not seq or gone then refuse('ACCOUNT_NOT_FOUND', 'no such account') end
  if EPOCH ~= '' and epoch ~= EPOCH then refuse('SESSION_ENDED', 'the session has ended') end
  account.seq, account.uidv, account.epoch = tonumber(seq), tonumber(uidv), tonumber(epoch)
  account.was = account.seq
  local known = incarnation_of(inc)
  local jumps = account.inc - known
  if jumps <= 0 then
    account.inc = known -- the slot came from a server with a higher number, and lost nothing
  else
    local jumped, gaps = account.seq + jumps * SEQ_JUMP, redis.call('HGET', P, 'gaps') or ''
    -- the two oldest gaps become one: a client between them compares everything, which is never wrong
    if #gaps >= 16 * MOST_GAPS then gaps = string.sub(gaps, 1, 8) .. string.sub(gaps, 25) end
    account.gaps = gaps .. u64(account.seq) .. u64(jumped)
    account.seq = jumped
    account.uidv = account.uidv + jumps * UID_JUMP
  end
end

-- This script changes nothing that has a number: seq and incarnation stay for the next one.
local function without_seq() account.seq, account.gaps = account.was, nil end

-- The number of this change: the modseq of what it changes.
local function next_seq()
  account.seq = account.seq + 1
  return account.seq
end

local function next_uidvalidity()
  account.uidv = math.max(math.floor(NOW / 1000), account.uidv + 1)
  effect('H', P, 'uidv', int(account.uidv))
  return account.uidv
end

local function pack_effects()
  local out, n, from = {}, 0, #SHARD + 2
  for _, e in ipairs(effects) do
    out[n + 1] = struct.pack('<c1I2I2', e[1], #e - 2, #e[2] - from + 1)
    out[n + 2] = string.sub(e[2], from)
    n = n + 2
    for j = 3, #e do
      out[n + 1], out[n + 2] = u32(#e[j]), e[j]
      n = n + 2
    end
  end
  return table.concat(out)
end

-- An event for those who watch: kind (Event.Kind of the API), mailbox, source mailbox, uids, name.
local function event(kind, mailbox, source, uids, name)
  uids = uids or ''
  return string.format('%d %d %d %d ', kind, mailbox or 0, source or 0, #uids) .. uids .. (name or '')
end

local function remember(told)
  if not request.key then return end
  if request.fades then
    redis.call('HSET', request.key, request.name, DIGEST .. told, '', int(NOW))
    redis.call('PEXPIRE', request.key, REQUEST_TTL)
  else
    redis.call('HSET', request.key, request.name, DIGEST .. told)
  end
end

-- The redo log is bounded in octets: one that has become too long goes, but for this entry.
local function log_effects(seq)
  local packed = pack_effects()
  local key, size = SHARD .. ':log', #packed + 100
  redis.call('XADD', key, '*', 'a', ACCOUNT, 's', seq, 't', int(NOW), 'e', packed)
  if redis.call('INCRBY', SHARD .. ':logged', size) > LOG_OCTETS then
    redis.call('XTRIM', key, 'MAXLEN', 1)
    redis.call('SET', SHARD .. ':logged', size)
  end
end

-- Every key that is to be written, in few calls: Lua unpacks some thousand values and no more.
local function touch()
  local names, touched = { SHARD .. ':log', SHARD .. ':logged', SHARD .. ':events' }, {}
  for _, list in ipairs({ effects, transients }) do
    for _, e in ipairs(list) do
      local key = e[2]
      if not touched[key] then
        touched[key] = true
        names[#names + 1] = key
      end
    end
  end
  for at = 1, #names, 1000 do redis.call('EXISTS', unpack(names, at, math.min(at + 999, #names))) end
end

-- The only place that writes. `what` is an event, or nil for a change that nobody is told of; `told` is
-- what `recall` makes the reply of, where that is shorter.
local function commit(reply, what, told)
  for _, flush in ipairs(flushes) do flush() end
  if account.seq then
    local changed = {}
    if account.seq ~= account.was then
      changed = { 'seq', int(account.seq) }
      if account.gaps then
        changed = { 'seq', int(account.seq), 'gaps', account.gaps, 'inc', int(account.inc), 'uidv', int(account.uidv) }
      end
      effect('H', P, unpack(changed))
    end
  end
  touch()
  local seq = int(account.seq or 0)
  if #effects > 0 then log_effects(seq) end
  if what then
    redis.call('XADD', SHARD .. ':events', 'MAXLEN', '~', RETENTION, '*', 'v', ACCOUNT .. ' ' .. seq .. ' ' .. what)
  end
  for _, e in ipairs(effects) do redis.call(COMMANDS[e[1]], unpack(e, 2)) end
  for _, t in ipairs(transients) do redis.call(unpack(t)) end
  remember(told or reply)
  if what then redis.call('PUBLISH', SHARD .. ':h', ACCOUNT .. seq .. (account.ended and '!' or '')) end
  return reply
end
